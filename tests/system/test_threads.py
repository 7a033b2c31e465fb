"""Threads per stage, and OpenCV's thread count is restored afterwards."""

import cv2
import pytest

from clips import make_clip
from lanes import segmenter
from lanes.pipeline import label_video as annotating
from lanes.pipeline.label_video import Options, annotate
from lanes.system import threads
from lanes.system.threads import Threads, opencv_threads, share
from lanes.video import VideoSink


@pytest.mark.parametrize(
    ("cores", "wanted"),
    [
        (1, Threads(1, 1, 1)),
        (2, Threads(2, 1, 2)),
        (4, Threads(4, 1, 4)),
        (8, Threads(4, 1, 4)),
        (64, Threads(4, 1, 4)),
    ],
)
def test_share(cores, wanted):
    assert share(cores) == wanted


def test_usable_cores_are_those_of_the_process(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: {0, 5, 7}, raising=False)
    assert threads.usable_cores() == 3
    monkeypatch.delattr(threads.os, "sched_getaffinity")
    monkeypatch.setattr(threads.os, "cpu_count", lambda: None)
    assert threads.usable_cores() == 1


@pytest.mark.parametrize(("count", "inside"), [(1, 1), (3, 3), (0, 2)])
def test_opencv_gets_its_threads_back(count, inside):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with pytest.raises(KeyError), opencv_threads(count):
            assert cv2.getNumThreads() == inside
            raise KeyError
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, share(2)),
        ({"threads": Threads(3, 2, 5)}, Threads(3, 2, 5)),
    ],
)
def test_a_job_gives_each_stage_its_threads(tmp_path, model_folder, monkeypatch, options, wanted):
    clip = make_clip(tmp_path / "x.mp4", frames=3)
    given = {}

    def open_source(*words, threads, **more):
        given["decode"] = threads
        return opened(*words, threads=threads, **more)

    def like(source, *words, threads, **more):
        given["encode"], given["opencv"] = threads, cv2.getNumThreads()
        return sink(source, *words, threads=threads, **more)

    opened, sink = annotating.open_source, VideoSink.like
    monkeypatch.setattr(annotating, "usable_cores", lambda: 2)
    monkeypatch.setattr(annotating, "open_source", open_source)
    monkeypatch.setattr(VideoSink, "like", like)
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        annotate(str(clip), loaded, Options(output=tmp_path / "y.mp4", **options))
    assert Threads(**given) == wanted
