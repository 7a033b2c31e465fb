"""Files for results: whole, or not there at all."""

from __future__ import annotations

import json
import os

import pytest

from lanes.errors import BadOutput
from lanes.video import output_files


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(BadOutput, match="No space left"):
        patch.setattr(os, "replace", full)
        output_files.write_json(tmp_path / "x.json", {"a": 1})
    assert not list(tmp_path.iterdir())
    output_files.write_json(tmp_path / "x.json", {"a": [1, None]})
    output_files.check_place(tmp_path / "x.json", overwrite=True)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, None]}
