"""A closed label video keeps no file and no decoder thread open, whoever opened it."""

from __future__ import annotations

import gc
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from app_pages import until
from lanes import segmenter, tasks
from lanes.errors import BadInput
from lanes.live.player import Live, LiveOptions
from lanes.live.side_by_side import SideBySide
from lanes.pipeline.demo_clip import write_clip
from lanes.pipeline.label_video import Options, annotate
from lanes.video import VideoSource
from lanes.video.label_files import open_truth
from model_folders import SIZE, grey, labels_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
FRAMES = 6


@pytest.fixture
def clip(tmp_path):
    image = grey([10, 120, 240], SIZE)
    pairs = iter([(image, labels_of(image).astype(np.uint8))] * FRAMES)
    write_clip(tmp_path / "a.mp4", tmp_path / "a.mkv", pairs, Fraction(25))
    return tmp_path / "a.mp4", tmp_path / "a.mkv"


@pytest.fixture(autouse=True)
def without_collector():
    """Anything that only the garbage collector would free counts as kept."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def models(model_folder):
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        yield loaded.shared(), loaded.shared()


def held(path):
    """This process's descriptors of `path` and its threads that decode FFV1."""
    files = threads = 0
    for number in os.listdir("/proc/self/fd"):
        link = Path("/proc/self/fd", number)
        files += link.is_symlink() and os.readlink(link) == str(path)
    for task in Path("/proc/self/task").iterdir():
        try:
            threads += (task / "comm").read_text().startswith("av:ffv1")
        except OSError:  # it ended meanwhile
            continue
    return files, threads


def test_a_closed_one_holds_nothing(clip):
    path, labels = clip
    with VideoSource(path) as source:
        truth = open_truth(labels, source, tasks.load("lanes"))
        frame = next(source)
        truth.labels_of(frame, 0)
        assert held(labels) > (0, 0)
        truth.close()
        assert held(labels) == (0, 0)


def test_one_that_is_refused_holds_nothing(clip, tmp_path):
    path, labels = clip
    with VideoSource(path) as source:
        source.frames, labels_of_seven = FRAMES, tmp_path / "seven.mp4"
        image = grey([10, 120, 240], SIZE)
        pairs = iter([(image, labels_of(image).astype(np.uint8))] * (FRAMES + 1))
        write_clip(labels_of_seven, tmp_path / "b.mkv", pairs, Fraction(25))
        with pytest.raises(BadInput, match="7 label maps"):
            open_truth(labels_of_seven, source, tasks.load("lanes"))
        assert held(labels_of_seven) == (0, 0)


def test_live_keeps_at_most_one_however_often_it_begins_again(clip, models):
    path, labels = clip
    with Live(path, models[0], LiveOptions(labels=labels, loop=True)) as live:
        until(lambda: live.snapshot().frames > 6 * FRAMES)
        assert held(labels)[0] <= 1
    assert live.snapshot().error is None
    assert held(labels) == (0, 0)


def test_side_by_side_keeps_at_most_one(clip, models):
    path, labels = clip
    with SideBySide(path, models, labels, loop=True) as pair:
        until(lambda: pair.snapshot().frames > 6 * FRAMES)
        assert held(labels)[0] <= 1
    assert pair.snapshot().error is None
    assert held(labels) == (0, 0)


def test_a_written_clip_keeps_nothing_open(clip, models):
    path, labels = clip
    summary = annotate(str(path), models[0], Options(labels=labels))
    assert summary.frames == FRAMES
    assert held(labels) == (0, 0)
