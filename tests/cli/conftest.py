"""Runs `lanes video` with a model of known labels."""

from fractions import Fraction

import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes.cli.main import app


@pytest.fixture
def run(tmp_path, model_folder, monkeypatch):
    """Run `lanes video ARGS` in tmp_path with the model of known labels."""
    monkeypatch.chdir(tmp_path)

    def call(*args, model=model_folder):
        words = ["video", *map(str, args), *(["--model", str(model)] if model else [])]
        return CliRunner().invoke(app, words)

    return call


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "drive.mp4", frames=12, rate=Fraction(30000, 1001), audio="aac")
