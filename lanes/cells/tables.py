"""The rows of `cells.csv` (one per cell) and `summary.csv` (one per image), units in the header."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from lanes.cells.doubt import DOUBTFUL, Signs
from lanes.cells.instances import KINDS, Cell
from lanes.types import LabelMap, Size, Task

Row: TypeAlias = dict[str, str | int | float]

UM_PER_MM = 1000
DIGITS = 5
"""Significant digits: measures of pixels are no more accurate."""
IN_PIXELS = ("x", "y", "left", "top", "width", "height")


def cell_rows(
    image: str, cells: Sequence[Cell], task: Task, um_per_pixel: float | None
) -> list[Row]:
    """One row for each cell of the image named `image`."""
    names = _fields(task, um_per_pixel)
    return [
        {"image": image, **{_header(name): _field(getattr(cell, name)) for name in names}}
        for cell in cells
    ]


def cell_columns(task: Task, um_per_pixel: float | None) -> list[str]:
    """The columns of `cells.csv`."""
    return ["image", *map(_header, _fields(task, um_per_pixel))]


def summary_row(image: str, labels: LabelMap, task: Task) -> Row:
    """The row of an image for a task that counts nothing: the task's measures of `labels`."""
    measures = {name.replace(" ", "_"): _field(v) for name, v in task.measure(labels).items()}
    return {**_size_row(image, (labels.shape[0], labels.shape[1])), **measures}


def counted_row(
    image: str,
    size: Size,
    cells: Sequence[Cell],
    task: Task,
    um_per_pixel: float | None,
    diameter: float | None = None,
    signs: Signs | None = None,
) -> Row:
    """The row of an image of `size` with measured cells.

    `cells` counts all cells, `cells_at_edge` those cut by the image's edge. Mean diameters cover
    only the whole cells and are empty without any. `diameter` is that of the scale at which the
    cells were found, given or estimated; None: the image's own scale. `signs` are those of a wrong
    count; None: unknown.
    """
    whole = [cell for cell in cells if not cell.at_edge]
    area, pixels = sum(cell.area_px for cell in cells), size[0] * size[1]
    row = {
        **_size_row(image, size),
        "cells": len(cells),
        "cells_at_edge": len(cells) - len(whole),
        "cell_area_share": _field(area / pixels),
        "mean_diameter_px": _mean([cell.diameter_px for cell in whole]),
        "scale_diameter_px": _field(diameter),
        "doubt": "" if signs is None else round(signs.doubt, 2),
        "warning": signs.reason if signs and signs.doubt >= DOUBTFUL else "",
    }
    if task.things and task.things.kinds:
        for kind in KINDS:
            row[f"{kind}_cells"] = sum(cell.kind == kind for cell in cells)
    if task.things and task.things.nucleus is not None:
        nuclei = sum(cell.nucleus_area_px or 0 for cell in cells)
        row["nucleus_ratio"] = _field(nuclei / area if area else math.nan)
    if um_per_pixel is not None:
        row["mean_diameter_um"] = _mean([cell.diameter_um or math.nan for cell in whole])
        row["cells_per_mm2"] = _field(len(cells) / (pixels * (um_per_pixel / UM_PER_MM) ** 2))
    return row


def summary_columns(task: Task, um_per_pixel: float | None) -> list[str]:
    """The columns of `summary.csv`."""
    if task.things is None:
        return list(summary_row("", np.zeros((8, 8), np.uint8), task))
    return list(counted_row("", (1, 1), [], task, um_per_pixel))


def _size_row(image: str, size: Size) -> Row:
    return {"image": image, "width_px": size[1], "height_px": size[0]}


def _fields(task: Task, um_per_pixel: float | None) -> list[str]:
    """The fields of `Cell` that have values for this task and scale."""
    names = list(Cell.__dataclass_fields__)
    has_nucleus = task.things is not None and task.things.nucleus is not None
    if not has_nucleus:
        names = [name for name in names if not name.startswith("nucleus")]
    if task.things is None or not task.things.kinds:
        names = [name for name in names if name != "kind"]
    if um_per_pixel is None:
        names = [name for name in names if not name.endswith(("_um", "_um2"))]
    return names


def _header(name: str) -> str:
    if name == "id":
        return "cell"
    return f"{name}_px" if name in IN_PIXELS else name


def _mean(values: Sequence[float]) -> str | int | float:
    return _field(math.fsum(values) / len(values) if values else math.nan)


def _field(value: float | bool | str | None) -> str | int | float:
    """A value for a CSV file: empty for None or NaN, yes or no for bool, rounded to `DIGITS`."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
