"""Two models on one clip: the same frames, their own figures, and how far they agree."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest

from app_pages import until
from clips import make_clip, number_of
from lanes import segmenter
from lanes.errors import BadInput
from lanes.live.side_by_side import SideBySide
from lanes.pipeline import demo_clip
from model_folders import SIZE, grey, labels_of, make_model

FRAMES = 6


@pytest.fixture
def models(model_folder):
    loaded = [segmenter.load(str(model_folder), name) for name in ("onnxruntime", "openvino")]
    yield tuple(loaded)
    for model in loaded:
        model.close()


@pytest.fixture
def clip(tmp_path):
    """A clip of grey columns and its truth, which calls the darkest columns class 1."""
    images = [grey([10, 120, 240], SIZE)] * FRAMES
    truths = [np.where(labels_of(image) == 0, 1, labels_of(image)) for image in images]
    pairs = zip(images, (truth.astype(np.uint8) for truth in truths), strict=True)
    demo_clip.write_clip(tmp_path / "a.mp4", tmp_path / "a.mkv", pairs, Fraction(25))
    return tmp_path / "a.mp4", tmp_path / "a.mkv"


def ended(pair):
    return until(lambda: (now := pair.snapshot()).state in ("ended", "failed") and now)


def test_both_see_every_frame_and_are_judged_alone(models, clip):
    with SideBySide(clip[0], models, clip[1]) as pair:
        now = ended(pair)
    assert now.error is None
    assert now.frames == FRAMES
    assert now.agreement == {"background": 1, "drivable": 1, "lane line": 1}
    for side in now.sides:
        assert side.labels.shape == SIZE
        assert side.seconds > 0
        # A third is right as drivable, another third is taken for background.
        assert side.iou == pytest.approx({"background": 0, "drivable": 1 / 2, "lane line": 1})
        assert side.iou_total == side.iou


def test_an_older_model_is_not_judged_by_a_newer_class(models, clip, tmp_path):
    classes = models[0].task.class_names[:2]  # drawn before lane lines were a class
    with segmenter.load(str(make_model(tmp_path / "old", SIZE, classes=classes))) as old:
        plain = old.result
        old.result = lambda pending: np.minimum(plain(pending), 1)
        with SideBySide(clip[0], (models[0], old), clip[1]) as pair:
            now = ended(pair)
    assert now.error is None
    newer, older = now.sides
    assert set(newer.iou) == {"background", "drivable", "lane line"}
    assert set(older.iou) == set(now.agreement) == {"background", "drivable"}
    assert older.iou["drivable"] == pytest.approx(1 / 2)
    assert now.agreement["drivable"] == pytest.approx(1)
    assert now.task == models[0].task


def test_they_disagree_where_they_do(models, clip, monkeypatch):
    one, other = models
    plain = other.result
    monkeypatch.setattr(other, "result", lambda pending: np.minimum(plain(pending), 1))
    with SideBySide(clip[0], models) as pair:
        now = ended(pair)
    assert now.agreement == pytest.approx({"background": 1, "drivable": 1 / 2, "lane line": 0})
    assert now.sides[0].iou == {}


def test_it_loops_until_it_is_closed(models, tmp_path):
    path = make_clip(tmp_path / "drive.mp4", 3, size=(96, 160))
    pair = SideBySide(path, models, loop=True)
    now = until(lambda: (now := pair.snapshot()).frames > 7 and now)
    assert number_of(now.frame) in range(3)
    assert pair.close()
    assert pair.snapshot().state == "stopped"
    assert "side-by-side" not in [thread.name for thread in threading.enumerate()]


def test_a_missing_clip_is_reported(models, tmp_path):
    with SideBySide(tmp_path / "no.mp4", models) as pair:
        now = ended(pair)
    assert isinstance(now.error, BadInput)
    assert "there is no" in str(now.error)


def test_models_of_two_tasks_are_refused(models, tmp_path):
    folder = make_model(tmp_path / "scene", task="blood_cells")
    with (
        segmenter.load(str(folder), "onnxruntime") as other,
        pytest.raises(BadInput, match="compare two models with the same task"),
    ):
        SideBySide("a.mp4", (models[0], other))
