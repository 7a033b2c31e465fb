"""The distribution of sizes: bins, units, kinds."""

from __future__ import annotations

from dataclasses import replace

from lanes.cells.instances import Cell
from lanes.cells.sizes import Sizes
from lanes.cells.tables import Totals

CELL = Cell(1, 10.0, 20.0, 5, 15, 11, 12, False, 100, 11.3, 0.9, 0.1, kind="red")


def test_whole_cells_fall_into_bins_by_kind():
    sizes = Sizes(None)
    white = replace(CELL, kind="white", diameter_px=20.0)
    cut = replace(CELL, at_edge=True, diameter_px=3.0)
    sizes.add("a.png", Totals.of([CELL, replace(CELL, diameter_px=11.9), white, cut]))
    sizes.add("b.png", Totals.of([CELL]))
    assert [tuple(row.values()) for row in sizes.rows()] == [
        ("a.png", "red", 11, 12, 2),
        ("a.png", "white", 20, 21, 1),
        ("b.png", "red", 11, 12, 1),
    ]
    assert sizes.together() == {"red": {11: 3}, "white": {20: 1}}


def test_bins_are_in_micrometres_where_the_scale_is_known():
    sizes = Sizes(0.1)
    sizes.add("a.png", Totals.of([replace(CELL, kind=None)]))
    (row,) = sizes.rows()
    assert list(row) == sizes.columns == ["image", "kind", "from_um", "to_um", "cells"]
    assert tuple(row.values()) == ("a.png", "cell", 1.0, 1.25, 1)
