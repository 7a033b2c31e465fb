"""Sheets of images with truth and prediction: which images, and what is drawn of them."""

from __future__ import annotations

import numpy as np
import pytest

from lanes import tasks
from lanes.draw import contact_sheet
from lanes.draw.text import LINE
from lanes.types import Sample

TASK = tasks.load("lanes")
CELL = (180, 320)


class Some:
    """Images of one grey; the left half may be anything, the right half is a line."""

    TASK = "lanes"
    TARGETS = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 1]], bool)
    MEASURES = {}

    def __init__(self, count, size=(90, 160)):
        self.count = count
        self.size = size

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        targets = np.zeros(self.size, np.uint8)
        targets[:, self.size[1] // 2 :] = 1
        return Sample(np.full((*self.size, 3), 100 + index, np.uint8), targets)


def ones(image):
    return np.ones((9, 16), np.uint8)


SIZE_OF_ROW = LINE + contact_sheet.HEIGHT + 2 * contact_sheet.GAP


def test_of_several_classes_the_first_is_shown():
    dataset = Some(1)
    targets = np.array([[0, 1, 2]], np.uint8)
    sample = Sample(np.zeros((1, 3, 3), np.uint8), targets)
    assert contact_sheet.shown(sample, dataset).tolist() == [[0, 2, 0]]


def test_an_image_of_another_shape_is_not_stretched():
    dataset = Some(1, size=(100, 100))
    picture = contact_sheet.triple(dataset[0], dataset, ones, TASK, CELL)
    assert picture.shape == (184, 3 * 320 + 4, 3)
    row = picture[90, 2:322, 0]
    assert (row[:70] == 255).all()
    assert (row[70:250] == 100).all()
    assert (row[250:] == 255).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 19, 20, 21, 500])
def test_the_ends_hold_ten_each_and_no_image_twice(count):
    ranking = [10 * i for i in range(count)]
    worst, best = contact_sheet.ends(ranking)
    assert worst == ranking[: min(10, -(-count // 2))]
    assert best == ranking[::-1][: min(10, count // 2)]
    assert not set(worst) & set(best)


def test_the_sheet_has_the_worst_on_the_left_and_the_best_on_the_right():
    dataset, captions = Some(24), [f"number {i}" for i in range(24)]
    ranking = list(range(23, -1, -1))
    picture = contact_sheet.worst_best(ranking, captions, dataset, ones, TASK, "title")
    width = 3 * CELL[1] + 2 * contact_sheet.GAP
    assert picture.shape[1] == 2 * width
    greys = picture[:, [20, width + 20], 0].astype(int)
    below = picture.shape[0] - 10 * SIZE_OF_ROW + LINE + 90
    rows = [below + SIZE_OF_ROW * k for k in range(10)]
    assert greys[rows, 0].tolist() == [100 + i for i in range(23, 13, -1)]
    assert greys[rows, 1].tolist() == [100 + i for i in range(10)]
    # A caption above each.
    assert all((picture[row - 90 - LINE : row - 90, :200] < 128).any() for row in rows)


@pytest.mark.parametrize("count", [0, 1])
def test_a_sheet_of_few_images_leaves_room(count):
    picture = contact_sheet.worst_best(range(count), ["one"], Some(count), ones, TASK, "title")
    assert picture.dtype == np.uint8
    assert (picture[-90:, -30:] == 255).all()


def test_the_legend_names_every_class_beside_its_colour():
    strip = contact_sheet.legend(TASK, 1000)
    assert strip.shape == (LINE, 1000, 3)
    for c in TASK.classes[1:]:
        assert (strip == c.colour).all(2).any()
    # Narrow, it has a line for each.
    assert contact_sheet.legend(TASK, 120).shape == (4 * LINE, 120, 3)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (np.eye(3), []),
        ([[1, 0, 0], [1, 1, 1]], ["In the ground truth: dark means unknown."]),
        (
            [[1, 0, 1], [0, 1, 0]],
            ["In the ground truth: the colour of background means background or lane line."],
        ),
    ],
)
def test_partial_truth_is_explained(targets, words):
    dataset = Some(1)
    dataset.TARGETS = np.array(targets, bool)
    assert contact_sheet._notes(dataset, TASK) == words


def test_a_long_caption_keeps_its_end():
    end = "and some folders/name.png, val"
    one, other = (contact_sheet._caption(start * 9 + end, 150) for start in ("abc/", "x y z "))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (LINE, 150, 3)
    assert (one[:, -4:] == 255).all()
    assert not np.array_equal(
        one, contact_sheet._caption("abc/" * 9 + end.replace("val", "x"), 150)
    )
