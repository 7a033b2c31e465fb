"""Shapes become pixels by one rule: a pixel belongs to an area if its centre does."""

from __future__ import annotations

import numpy as np
import pytest

import exports
from lanes.datasets import _shapes
from lanes.datasets._shapes import Area, Line, Region, points_of


def drawn(shape, size=(36, 64)):
    labels = np.zeros(size, np.uint8)
    shape.draw(labels, 5)
    assert set(np.unique(labels)) <= {0, 5}
    return labels == 5


@pytest.mark.parametrize("seed", range(20))
def test_polygons_of_every_form_and_beyond_the_frame(seed):
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-30, 90, (rng.integers(3, 9), 2))
    found = drawn(Area("a", (ring,)))
    np.testing.assert_array_equal(found, exports.inside([tuple(point) for point in ring]))


def test_a_box_covers_its_pixels_and_no_others():
    found = drawn(Area("a", (_shapes.box(3, 4, 10, 6),)))
    np.testing.assert_array_equal(
        np.argwhere(found), [[y, x] for y in (4, 5) for x in range(3, 10)]
    )
    assert not drawn(Area("a", (_shapes.box(70, 4, 90, 6),))).any()
    assert not drawn(Area("a", (points_of([1, 1, 5, 5]),))).any()


def test_parts_that_overlap_are_one_and_rings_within_are_holes():
    parts = _shapes.box(0, 0, 10, 10), _shapes.box(8, 8, 15, 12), _shapes.box(2, 2, 4, 4)
    assert drawn(Area("a", parts)).sum() == 100 + 28 - 4 - 4


def test_lines_have_a_width_and_are_clipped():
    line = drawn(Line("a", points_of([-500, 100, 5000, 100])), (720, 1280))
    assert line.all(1).sum() == line.any(1).sum()
    assert 10 <= line.all(1).sum() <= 11


def test_bitmaps_are_clipped():
    region = Region("a", np.ones((4, 6), bool), left=-2, top=34)
    np.testing.assert_array_equal(
        np.argwhere(drawn(region)), [[y, x] for y in (34, 35) for x in range(4)]
    )


def test_numbers_that_are_none_are_refused():
    for numbers in ([1, 2, 3], [1, float("nan")], ["x", 1]):
        with pytest.raises(ValueError, match=r"."):
            points_of(numbers)


def test_damaged_run_lengths_and_bitmaps_are_refused():
    with pytest.raises(ValueError, match="end early"):
        _shapes.coco_counts("=33NN022000P")
    for text in ("%%%", "aGVsbG8="):
        with pytest.raises(ValueError, match="bitmap"):
            _shapes.bitmap(text)
    grey = exports.png_text(np.eye(5)).decode()
    np.testing.assert_array_equal(_shapes.bitmap(grey), np.eye(5, dtype=bool))
