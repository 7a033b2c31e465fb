from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from clips import make_clip
from lanes import tasks
from lanes.errors import BadInput
from lanes.pipeline.demo_clip import write_clip
from lanes.video import ImagesSource, VideoSource
from lanes.video.label_files import checked, open_truth, sayable

TASK = tasks.load("lanes")
SIZE = (96, 160)


def label_map(number):
    labels = np.zeros(SIZE, np.uint8)
    labels[:, : 10 * (number + 1)] = 1
    labels[number] = 2
    labels[-1] = 255
    return labels


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "drive.mp4", frames=6, size=SIZE)


def masks(folder, names, labels=label_map):
    folder.mkdir()
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / f"{name}.png"), labels(number))
    return folder


def label_video(path, count=6, codec="ffv1", pix_fmt="gray"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, 25, width=SIZE[1], height=SIZE[0])
        stream.pix_fmt = pix_fmt
        for number in range(count):
            picture = av.VideoFrame.from_ndarray(label_map(number), "gray")
            if pix_fmt != "gray":
                picture = picture.reformat(format=pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def test_masks_by_frame_index(tmp_path, clip):
    folder = masks(tmp_path / "truth", [f"{n:06d}" for n in range(6)])
    with VideoSource(clip) as source:
        truth = open_truth(folder, source, TASK)
        for frame in source:
            np.testing.assert_array_equal(
                truth.labels_of(frame, frame.index), label_map(frame.index)
            )


def test_masks_by_image_name(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(images / f"{name}.png"), np.zeros((*SIZE, 3), np.uint8))
    folder = masks(tmp_path / "truth", ["a", "b"])
    with ImagesSource(images) as source:
        truth = open_truth(folder, source, TASK)
        second = list(source)[1]
        np.testing.assert_array_equal(truth.labels_of(second, 1), label_map(1))


def test_label_video_exactly(tmp_path, clip):
    path = label_video(tmp_path / "truth.mkv")
    with VideoSource(clip) as source:
        truth = open_truth(path, source, TASK)
        for frame in source:
            np.testing.assert_array_equal(
                truth.labels_of(frame, frame.index), label_map(frame.index)
            )


def test_label_video_from_the_frame_that_the_clip_starts_at(tmp_path, clip):
    path = label_video(tmp_path / "truth.mkv")
    with VideoSource(clip, start=0.08) as source:
        truth = open_truth(path, source, TASK, whole=False)
        frame = next(source)
        np.testing.assert_array_equal(truth.labels_of(frame, source.first), label_map(2))


def test_the_demos_label_video_is_exact(tmp_path):
    pairs = [(np.full((*SIZE, 3), 9 * n, np.uint8), label_map(n)) for n in range(5)]
    clip, labels = tmp_path / "c.mp4", tmp_path / "c_labels.mkv"
    write_clip(clip, labels, iter(pairs), Fraction(30))
    with VideoSource(clip) as source:
        truth = open_truth(labels, source, TASK)
        found = [truth.labels_of(frame, frame.index) for frame in source]
    np.testing.assert_array_equal(found, [label for _, label in pairs])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.mp4", "c_labels.mkv"]


def errors(path, clip, whole=True):
    with VideoSource(clip) as source, pytest.raises(BadInput) as caught:
        truth = open_truth(path, source, TASK, whole=whole)
        for frame in source:
            truth.labels_of(frame, frame.index)
    return str(caught.value)


def test_every_wrong_truth_is_reported(tmp_path, clip):
    six = [f"{n:06d}" for n in range(6)]
    assert "no labels" in errors(tmp_path / "nothing", clip)
    (tmp_path / "empty").mkdir()
    assert "holds no PNG" in errors(tmp_path / "empty", clip)
    assert "5 label maps" in errors(masks(tmp_path / "few", six[:5]), clip)
    assert "7 label maps" in errors(masks(tmp_path / "many", [*six, "x"]), clip)
    assert "no 000005.png" in errors(masks(tmp_path / "names", [*six[:5], "x"]), clip)
    small = masks(tmp_path / "small", six, lambda n: label_map(n)[::2])
    assert "160x48, its frame 160x96" in errors(small, clip)
    high = masks(tmp_path / "high", six, lambda n: label_map(n) + 2)
    assert "holds the label 4" in errors(high, clip)
    colour = masks(tmp_path / "colour", six, lambda n: np.full((*SIZE, 3), (0, 1, 2), np.uint8))
    assert "one-channel" in errors(colour, clip)
    (tmp_path / "text.mkv").write_text("no video")
    assert "not a video" in errors(tmp_path / "text.mkv", clip)
    (tmp_path / "list.mkv").write_text("ffconcat version 1.0\nfile short.mkv\n")
    assert "it is a playlist" in errors(tmp_path / "list.mkv", clip)
    short = label_video(tmp_path / "short.mkv", count=4)
    assert "ends before frame 4" in errors(short, clip, whole=False)
    lossy = label_video(tmp_path / "rgb.mkv", pix_fmt="bgr0")
    assert "8-bit luma" in errors(lossy, clip)


def test_classes_newer_than_the_model_are_ignored_not_refused():
    old = replace(TASK, classes=TASK.classes[:3], later=1)
    labels = np.array([[0, 1, 2, 3, 255]], np.uint8)
    assert checked(labels, (1, 5), old, Path("x.png")) is labels
    np.testing.assert_array_equal(sayable(labels, old), [[0, 1, 2, 255, 255]])
    np.testing.assert_array_equal(sayable(labels, TASK), labels)
    with pytest.raises(BadInput, match="has 0 to 3"):
        checked(np.where(labels == 3, 4, labels).astype(np.uint8), (1, 5), old, Path("x.png"))
