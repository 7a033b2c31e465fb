"""Table rows: columns by task and scale, means of whole cells, empty fields without a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lanes import tasks
from lanes.cells import tables as cell_tables
from lanes.cells.doubt import Signs
from lanes.cells.instances import Cell
from lanes.cells.tables import Totals

CELLS, COUNT, ROADS = (tasks.load(name) for name in ("blood_cells", "cell_count", "lanes"))
OLD = replace(COUNT, things=COUNT.things.among(3))
"""The task of a model that knows no nuclei."""
CELL = Cell(1, 10.123456, 20.0, 5, 15, 11, 12, False, 100, 11.283792, 0.9, 0.1, 25, 0.25,
            1.0, 1.1283792, 0.25)  # fmt: skip


def test_one_row_per_cell_with_units_in_the_names():
    columns = cell_tables.cell_columns(CELLS, 0.1)
    assert columns == [
        "image", "cell", "x_px", "y_px", "left_px", "top_px", "width_px", "height_px", "at_edge",
        "area_px", "diameter_px", "circularity", "eccentricity", "nucleus_area_px",
        "nucleus_ratio", "area_um2", "diameter_um", "nucleus_area_um2",
    ]  # fmt: skip
    (row,) = cell_tables.cell_rows("a.png", [CELL], CELLS, 0.1)
    assert list(row) == columns
    assert (row["image"], row["cell"], row["at_edge"]) == ("a.png", 1, "no")
    assert (row["x_px"], row["diameter_px"]) == (10.123, 11.284)


def test_columns_without_a_value_are_left_out():
    assert not [c for c in cell_tables.cell_columns(CELLS, None) if "_um" in c]
    assert not [c for c in cell_tables.cell_columns(OLD, 0.1) if "nucleus" in c or c == "kind"]
    assert "diameter_um" in cell_tables.cell_columns(COUNT, 0.1)
    assert "mean_diameter_um" not in cell_tables.summary_columns(COUNT, None)
    assert "nucleus_ratio" not in cell_tables.summary_columns(OLD, 0.1)
    assert "white_cells" not in cell_tables.summary_columns(OLD, 0.1)


def test_kinds_have_a_column_and_counts():
    assert cell_tables.cell_columns(COUNT, None)[-1] == "kind"
    cells = [replace(CELL, id=k, kind=kind) for k, kind in enumerate(("red", "red", "white"))]
    row = cell_tables.counted_row("a.png", (100, 200), Totals.of(cells), COUNT, None, 11.5)
    assert (row["cells"], row["red_cells"], row["white_cells"]) == (3, 2, 1)
    assert row["scale_diameter_px"] == 11.5


def test_a_doubtful_count_has_a_warning():
    bad, good = Signs(looks=9.0), Signs()
    rows = [
        cell_tables.counted_row("a.png", (9, 9), Totals(), COUNT, None, None, s)
        for s in (bad, good)
    ]
    assert (rows[0]["doubt"], rows[0]["warning"]) == (1.0, bad.reason)
    assert 0 < rows[1]["doubt"] < 0.5
    assert rows[1]["warning"] == ""


def test_means_are_of_whole_cells_and_counts_of_all():
    cut = replace(CELL, id=2, at_edge=True, diameter_px=5.0, diameter_um=0.5, area_px=20,
                  nucleus_area_px=5)  # fmt: skip
    row = cell_tables.counted_row("a.png", (100, 200), Totals.of([CELL, cut]), CELLS, 0.1)
    assert list(row) == cell_tables.summary_columns(CELLS, 0.1)
    assert row == {
        "image": "a.png", "width_px": 200, "height_px": 100, "cells": 2, "cells_at_edge": 1,
        "cell_area_share": 0.006, "mean_diameter_px": 11.284, "scale_diameter_px": "",
        "doubt": "", "warning": "", "nucleus_ratio": 0.25,
        "mean_diameter_um": 1.1284, "area_mm2": 0.0002, "cells_per_mm2": 10000.0,
    }  # fmt: skip


def test_without_cells_a_mean_is_empty_not_zero():
    row = cell_tables.counted_row("a.png", (10, 10), Totals(), CELLS, 0.1)
    assert (row["cells"], row["cell_area_share"]) == (0, 0)
    assert row["mean_diameter_px"] == row["nucleus_ratio"] == row["mean_diameter_um"] == ""


def test_a_task_that_counts_nothing_has_its_own_measures():
    labels = np.zeros((4, 8), np.uint8)
    labels[2:] = 1
    row = cell_tables.summary_row("a.png", labels, ROADS)
    assert list(row) == cell_tables.summary_columns(ROADS, None)
    assert row["drivable_share"] == pytest.approx(0.5)
