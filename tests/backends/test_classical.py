"""Classical lane lines: found on synthetic roads, and nothing anywhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes import backends
from lanes.backends import _classical_lanes
from lanes.datasets import synthetic
from lanes.errors import BadModel, UnknownName
from lanes.images.resize import Resize, resize_image, resize_labels
from lanes.metrics import confusion_matrix
from model_folders import card_of

SIZE = (352, 640)
WHITE, YELLOW, BLUE = (230, 230, 230), (60, 200, 230), (230, 60, 30)


def road(colour=WHITE, feet=(120, 520), size=SIZE, top=190, thickness=8):
    """A grey road with lines from the bottom of the image, at x `feet`, towards the middle."""
    height, width = SIZE
    image = np.full((height, width, 3), 90, np.uint8)
    for foot in feet:
        end = (round(width / 2 + (foot - width / 2) * 0.1), top)
        cv2.line(image, (foot, height - 1), end, colour, thickness)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def drawn(corner, opposite):
    """A grey image with a white rectangle."""
    image = road(feet=())
    cv2.rectangle(image, corner, opposite, WHITE, -1)
    return image


@pytest.mark.parametrize("size", [(352, 640), (176, 320), (720, 1280)])
@pytest.mark.parametrize("colour", [WHITE, YELLOW])
def test_two_lines_and_the_lane_between_them(colour, size):
    image = road(colour, size=size)
    labels = _classical_lanes.lane_lines(image)
    assert labels.dtype == np.uint8
    assert labels.shape == size
    paint = np.abs(image.astype(int) - 90).max(-1) > 60
    assert confusion_matrix.line_counts(paint, labels == _classical_lanes.LANE_LINE).f4 > 0.8
    height, width = size
    row = labels[round(0.9 * height)]
    assert row[width // 2] == _classical_lanes.DRIVABLE
    assert not row[: width // 10].any()
    assert not labels[: round(0.5 * height)].any()


@pytest.mark.parametrize("feet", [(120,), (520,)])
def test_one_line_makes_no_lane(feet):
    labels = _classical_lanes.lane_lines(road(feet=feet))
    assert set(np.unique(labels)) == {0, _classical_lanes.LANE_LINE}


@pytest.mark.parametrize(
    "image",
    [
        np.full((*SIZE, 3), 90, np.uint8),
        np.zeros((*SIZE, 3), np.uint8),
        road(BLUE, feet=(120,)),
        drawn((0, 300), (639, 310)),  # flat: across the road
        drawn((200, 200), (320, 351)),  # a lorry, wider than paint
        drawn((60, 20), (66, 150)),  # above the horizon
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
    ],
    ids=["plain", "black", "blue", "flat", "wide", "above", "tiny", "one pixel"],
)
def test_what_is_no_lane_line(image):
    assert not _classical_lanes.lane_lines(image).any()


def test_it_is_a_baseline_worth_the_name():
    """On synthetic roads with cars, weather and dashes: far from perfect, but useful."""
    dataset = synthetic.open("", "val", 6)
    lines, both, either = [], 0, 0
    for index in range(len(dataset)):
        sample = dataset[index]
        labels = _classical_lanes.lane_lines(resize_image(sample.image, Resize(SIZE)))
        labels = resize_labels(labels, sample.targets.shape)
        lines.append(
            confusion_matrix.line_counts(sample.targets >= 2, labels == _classical_lanes.LANE_LINE)
        )
        both += np.count_nonzero((sample.targets > 0) & (labels > 0))
        either += np.count_nonzero((sample.targets > 0) | (labels > 0))
    assert sum(lines[1:], lines[0]).f4 > 0.5
    assert both / either > 0.3


def test_it_needs_a_card_and_no_network(tmp_path):
    with pytest.raises(BadModel, match=r"no card\.json"):
        backends.load("classical", tmp_path)
    card_of(SIZE).write(tmp_path)
    backend = backends.load("classical", tmp_path)
    image = road()
    np.testing.assert_array_equal(backend(image[None])[0], _classical_lanes.lane_lines(image))
    assert (backend.device, backend.precision) == ("cpu", "uint8")
    backend.close()


def test_a_task_without_a_method(tmp_path):
    card_of(task="road_scene").write(tmp_path)
    with pytest.raises(UnknownName, match="no method for the task 'road_scene'.*one for lanes"):
        backends.load("classical", tmp_path)


def test_threads_are_those_of_opencv(tmp_path):
    card_of(SIZE).write(tmp_path)
    before = cv2.getNumThreads()
    try:
        backends.load("classical", tmp_path, threads=1).close()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
