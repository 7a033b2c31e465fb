"""Files for results: whole, or not there at all."""

from __future__ import annotations

import csv
import json
import os
import sys

import pytest

from clips import make_clip, read
from lanes.errors import BadOutput
from lanes.video import VideoSink, output_files


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


def test_no_file_name_runs_as_a_formula_in_a_spreadsheet(tmp_path):
    with output_files.CsvFile(tmp_path / "t.csv", ["image", "share"], overwrite=False) as file:
        names = ["=cmd|' /C calc'!A0", "@x", "+1", "-1.png", "a=b.png"]
        file.write([{"image": name, "share": -0.5} for name in names])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == ["'" + name for name in names[:4]] + names[4:]
    assert {row[1] for row in rows[1:]} == {"-0.5"}


@pytest.mark.parametrize(
    "write",
    [
        lambda path: output_files.TextFile(path, True),
        lambda path: output_files.write_json(path, {}),
    ],
)
def test_a_pipe_or_device_is_not_replaced(tmp_path, write):
    """As /dev/stdout, a link to a pipe: a file put in its place would break other programs."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "stdout").symlink_to(tmp_path / "pipe")
    with pytest.raises(BadOutput, match="stdout is a pipe or a device"):
        write(tmp_path / "stdout")
    assert (tmp_path / "stdout").is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("stem", [b"caf\xe9", b"caf\xe9" * 60])
def test_a_name_that_is_no_unicode_text(tmp_path, stem):
    """Files of old cameras and archives may have names in Latin-1."""
    clip = make_clip(tmp_path / "a.mp4", 3).rename(tmp_path / os.fsdecode(stem + b".mp4"))
    output = output_files.output_beside(str(clip))
    assert output.parent == tmp_path
    frames, source = read(clip)
    with VideoSink.like(source, output, audio_from=clip) as sink:
        for frame in frames:
            sink.write(frame)
    assert len(read(output)[0]) == 3
    assert len(list(tmp_path.iterdir())) == 2
