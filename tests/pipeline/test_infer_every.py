"""`--infer-every N` as a user meets it: what is written, what is said, how near it is to N = 1."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes.cli.main import app

SIZE = (128, 192)
FRAMES = 13


def drive(number, size):
    """A textured road of class 1 that comes by, 5 pixels a frame, with a marking of class 2."""
    random = np.random.default_rng(0)
    coarse = random.integers(100, 150, (size[0] // 4, 100)).astype(np.uint8)
    grey = cv2.resize(coarse, (400, size[0]), interpolation=cv2.INTER_CUBIC)
    grey[30:90, 100:150] = 230
    left = 5 * number
    return np.repeat(grey[:, left : left + size[1], None], 3, -1)


@pytest.fixture
def run(tmp_path, model_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "drive.mp4", frames=FRAMES, size=SIZE, draw=drive, options={"crf": "10"})

    def call(*words):
        return CliRunner().invoke(app, ["video", "drive.mp4", "--model", str(model_folder), *words])

    return call


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_and_summary_say_which_frames_were_inferred(run, tmp_path):
    done = run("--infer-every", "3", "--json", "o.json")
    assert done.exit_code == 0, done.output
    lines = lines_of(tmp_path / "o.json")
    assert [line["index"] for line in lines if line["inferred"]] == [0, 3, 6, 9, 12]
    for line in lines:
        stages = {"resize", "infer"} if line["inferred"] else {"carry"}
        assert set(line["ms"]) == {"decode", "lines", "overlay", "encode", *stages}
    said = " ".join(done.output.split())
    assert "13 frames (5 inferred, 8 by optical flow)" in said
    assert "carry" in said


def test_without_it_every_frame_is_inferred_and_nothing_is_said_of_carrying(run, tmp_path):
    done = run("--json", "o.json")
    assert done.exit_code == 0, done.output
    assert all(line["inferred"] for line in lines_of(tmp_path / "o.json"))
    assert "carr" not in done.output


def test_carried_masks_stay_close_to_inferred_ones(run, tmp_path):
    assert run("--masks", "all").exit_code == 0
    for every, least in ((2, 0.93), (3, 0.9)):
        folder = f"every{every}"
        done = run("--infer-every", str(every), "--masks", folder, "--labels", "all", "--overwrite")
        assert done.exit_code == 0, done.output
        carried, held = [], []
        for number in range(FRAMES):
            name = f"{number:06d}.png"
            truth, found = (cv2.imread(str(tmp_path / f / name), -1) for f in ("all", folder))
            key = cv2.imread(str(tmp_path / "all" / f"{number // every * every:06d}.png"), -1)
            assert set(np.unique(found)) <= {0, 1, 2}
            if number % every == 0:
                assert (found == truth).all()
            else:
                carried.append(iou_of(found, truth))
                held.append(iou_of(key, truth))
        assert np.mean(carried) > least
        assert np.mean(carried) > np.mean(held) + 0.02


def iou_of(one, other):
    """Of the marking."""
    return ((one == 2) & (other == 2)).sum() / ((one == 2) | (other == 2)).sum()


@pytest.mark.parametrize("given", ["0", "-2"])
def test_less_than_one_is_an_error_with_its_cure(run, tmp_path, given):
    done = run("--infer-every", given)
    assert done.exit_code == 2
    message = " ".join(done.output.split())
    assert f"--infer-every {given}: wanted 1 (every frame) or more" in message
    assert "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["drive.mp4"]
