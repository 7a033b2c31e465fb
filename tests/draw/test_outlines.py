"""Outlines: on the cells' own pixels, with a number that can be read."""

from __future__ import annotations

import numpy as np
import pytest

from lanes import tasks
from lanes.cells import instances
from lanes.draw.outlines import CUT, WHOLE, draw_outlines


def drawn(found, grey=128):
    task = tasks.load("cell_count")
    cells = instances.measure(found, (found > 0).astype(np.uint8), task)
    image = np.full((*found.shape, 3), grey, np.uint8)
    draw_outlines(image, found, cells)
    return image


def discs(size, *places):
    y, x = np.mgrid[: size[0], : size[1]]
    found = np.zeros(size, np.uint16)
    for number, (cy, cx, radius) in enumerate(places, 1):
        found[np.hypot(y - cy, x - cx) <= radius] = number
    return found


def near(image, colour):
    return np.abs(image.astype(int) - colour).max(-1) < 60


def test_nothing_is_drawn_where_nothing_is():
    assert (drawn(np.zeros((40, 50), np.uint16)) == 128).all()


def test_outlines_lie_on_the_cells_edge_and_tell_cut_cells():
    found = discs((100, 160), (50, 50, 25), (50, 150, 25))
    image = drawn(found)
    for number, colour in ((1, WHOLE), (2, CUT)):
        mask = (found == number).astype(np.uint8)
        edge = near(image, colour)
        assert edge.sum() > 60
        assert mask[edge].mean() > 0.95
        assert not edge[50, 50 if number == 1 else 140]


def test_cells_that_touch_have_an_outline_each():
    found = np.zeros((60, 100), np.uint16)
    found[10:50, 10:50], found[10:50, 50:90] = 1, 2
    edge = near(drawn(found), WHOLE)
    assert edge[20, 49]
    assert edge[20, 50]


@pytest.mark.parametrize(("radius", "size"), [(6, (40, 60)), (23, (120, 200)), (110, (300, 300))])
def test_numbers_fit_cells_and_picture(radius, size):
    """White ink on dark, of at least 8 rows; large cells are not hidden behind it."""
    found = discs(size, (size[0] // 2, size[1] // 2, radius))
    image = drawn(found)
    rows, columns = np.nonzero(image.min(-1) > 220)
    assert len(rows) > 5
    assert 6 <= rows.max() - rows.min() + 1 <= 24
    assert abs(rows.mean() - size[0] / 2) < 6
    assert abs(columns.mean() - size[1] / 2) < 8


def test_the_number_of_a_sliver_stays_in_the_picture():
    found = np.zeros((60, 80), np.uint16)
    found[:3, 20:60] = 1
    assert (drawn(found).min(-1) > 220).sum() > 5
