"""Runs `lanes video` with a model of known labels."""

from fractions import Fraction

import pytest
from typer.testing import CliRunner

from clips import make_clip
from lane_roads import OFFSETS, SMALL, draw_road
from lanes.cli.main import app
from model_folders import make_model


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


@pytest.fixture(scope="session")
def drifting(tmp_path_factory):
    """A clip in which the car departs to the right, and a model that labels it exactly."""
    folder = tmp_path_factory.mktemp("drift")
    model = make_model(folder / "exact", SMALL)
    clip = folder / "drive.mp4"
    make_clip(clip, len(OFFSETS), SMALL, draw=draw_road, audio="aac", gop=20)
    return clip, model
