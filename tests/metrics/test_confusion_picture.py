"""Names and colours of a confusion matrix."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lanes.draw.text import LINE
from lanes.metrics.confusion_picture import CELL, DARK, RIGHT, WRONG, Confusion, _rounded

CLASSES = ("background", "drivable", "lane line")
PARTIAL = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1]], bool)


def test_rows_are_named_by_allowed_classes_without_unknown():
    matrix = np.array([[8, 1, 1], [0, 5, 0], [0, 0, 0]])
    found = Confusion.named(PARTIAL, matrix, CLASSES)
    assert found.rows == ("background or lane line", "drivable or lane line")
    assert found.columns == CLASSES
    np.testing.assert_array_equal(found.shares, [[0.8, 0.1, 0.1], [0, 1, 0]])
    assert json.loads(json.dumps(found.to_dict())) == {
        "rows": ["background or lane line", "drivable or lane line"],
        "columns": list(CLASSES),
        "pixels": [[8, 1, 1], [0, 5, 0]],
    }


def test_a_row_without_pixels_has_no_shares():
    found = Confusion.named(np.eye(2, dtype=bool), np.array([[3, 1], [0, 0]]), CLASSES[:2])
    np.testing.assert_array_equal(found.shares[0], [0.75, 0.25])
    assert np.isnan(found.shares[1]).all()


def test_the_picture_is_blue_where_right_and_red_where_wrong():
    matrix = np.array([[0, 90, 10], [0, 0, 50], [0, 0, 0]])
    picture = Confusion.named(PARTIAL, matrix, CLASSES).picture("confusion")
    colours = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert RIGHT in colours  # a row that is all lane line, which is right
    full, part = np.array(WRONG), np.rint(255 - 0.9**0.5 * (255 - np.array(WRONG)))
    assert tuple(int(v) for v in part) in colours
    assert tuple(full.tolist()) not in colours


@pytest.mark.parametrize("classes", [1, 2, 11, 30])
def test_the_picture_has_room_for_every_row_and_column(classes):
    names = [f"class number {k}" for k in range(classes)]
    matrix = np.eye(classes, dtype=np.int64) * 10**9
    picture = Confusion.named(np.eye(classes, dtype=bool) if classes > 1 else
                              np.zeros((1, 1), bool), matrix, names).picture("t")  # fmt: skip
    assert picture.dtype == np.uint8
    assert picture.shape[0] >= 3 * LINE + classes * CELL[0]
    assert picture.shape[1] >= (classes + 1) * CELL[1]
    # Nothing is cut off at the edges.
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_numbers_are_white_on_dark_cells():
    assert DARK < 1
    picture = Confusion.named(np.eye(2, dtype=bool), np.eye(2, dtype=np.int64), CLASSES[:2])
    cell = np.argwhere((picture.picture("t") == RIGHT).all(2))
    top, left = cell.min(0)
    inside = picture.picture("t")[top : top + 30, left : left + 60]
    assert (inside == 255).all(2).any()


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (950, "950"), (1234, "1.2 k"), (45_678, "46 k"), (3.44e6, "3.4 M"), (2e9, "2 G")],
)
def test_counts_are_rounded(count, words):
    assert _rounded(int(count)) == words
