"""Temporal consistency, on labels that move as the picture does and on labels that do not."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import cv2
import numpy as np
import pytest

from clips import make_clip
from lanes import segmenter
from lanes.cli.main import run
from lanes.colour import default_colour, from_bgr
from lanes.pipeline.consistency import stability
from lanes.pipeline.tidy import tidy
from lanes.types import Frame
from lanes.video import VideoSink

SIZE = (64, 96)


def frames_of(images):
    colour = default_colour(SIZE[0])
    for index, image in enumerate(images):
        yield Frame(from_bgr(image, colour), colour, index, index, Fraction(1, 25))


def textured(shift, grey=120):
    """A picture of class 1 with a bright square (class 2) at `shift`, textured for the flow."""
    random = np.random.default_rng(0)
    image = random.integers(grey - 20, grey + 20, (SIZE[0], 200, 3)).astype(np.uint8)
    image[20:44, 60:90] += 100
    return np.ascontiguousarray(image[:, 40 - shift : 40 - shift + SIZE[1]])


@pytest.fixture
def model(model_folder):
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        yield loaded


def test_labels_that_move_with_the_picture_are_steady(model):
    found = stability(frames_of([textured(shift) for shift in range(0, 24, 4)]), model).consistency
    assert found["drivable"] > 0.97
    assert found["lane line"] > 0.9
    assert np.isnan(found["background"])


def test_labels_that_flicker_are_not(model):
    steady = frames_of([textured(0)] * 4)
    # The whole ground changes its class from frame to frame, and back.
    flickering = frames_of([textured(0, grey) for grey in (120, 70, 120, 70)])
    assert stability(steady, model).consistency["drivable"] == 1.0
    assert stability(flickering, model).consistency["drivable"] < 0.1


def test_stray_pieces_and_holes_are_counted_a_frame(model):
    dark = np.full((*SIZE, 3), 10, np.uint8)  # background for this model
    one = dark.copy()
    one[30:, :] = 120  # the road
    two = one.copy()
    two[5:10, 5:10] = 120  # a piece in the sky
    two[45:50, 40:48] = 10  # a hole in the road
    found = stability(frames_of([dark, one, two, two]), model)
    assert found.strays == (0.5, 0.5)
    assert stability(frames_of([dark, one, two, two]), model, [tidy]).strays == (0, 0)


def test_the_commands_tidy_up(model_folder, tmp_path, monkeypatch, capsys):
    """A clip of a road with a hole in it: the hole is counted, filled and scored."""
    monkeypatch.chdir(tmp_path)
    clip, truth = tmp_path / "a.mp4", tmp_path / "truth"
    image = np.full((*SIZE, 3), 120, np.uint8)
    image[40:44, 40:44] = 10
    colour = default_colour(SIZE[0])
    with VideoSink(clip, size=SIZE, rate=Fraction(25), colour=colour, quality="best") as sink:
        for _ in range(3):
            sink.write(image)
    truth.mkdir()
    for number in range(3):
        cv2.imwrite(str(truth / f"{number:06d}.png"), np.ones(SIZE, np.uint8))
    for options, holes, score in (([], "1.00", "0.99"), (["--tidy"], "0.00", "1.000")):
        assert run("stability", [str(clip), "--model", str(model_folder), *options]) == 0
        assert holes in capsys.readouterr().out
        words = ["a.mp4", "--labels", "truth", "--overwrite", "--model", str(model_folder)]
        assert run("video", [*words, *options]) == 0
        assert f"drivable {score}" in capsys.readouterr().out


def test_the_script_prints_a_row_for_each_clip(model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    main = partial(run, "stability")
    clips = [str(make_clip(tmp_path / f"{name}.mp4", frames=3)) for name in "ab"]
    assert main([*clips, "--model", str(model_folder)]) == 0
    printed = capsys.readouterr().out
    assert "a.mp4" in printed
    assert "b.mp4" in printed
    assert main(["nowhere.mp4", "--model", str(model_folder)]) == 2
    assert "nowhere.mp4" in capsys.readouterr().err
