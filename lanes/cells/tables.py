"""The rows of `cells.csv` (one per cell) and `summary.csv` (one per image), units in the header."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np

from lanes.cells.doubt import DOUBTFUL, Signs
from lanes.cells.instances import KINDS, NAME, Cell
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


@dataclass
class Totals:
    """What the rows of an image need of its cells; cells are added as they are found.

    `at_edge` are those cut by the image's edge, `area` and `nuclei` sums in pixels, `kinds` counts
    by kind. `diameters` are those of whole cells in pixels, by kind ("cell" without kinds).
    """

    cells: int = 0
    at_edge: int = 0
    area: int = 0
    nuclei: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    diameters: dict[str, array[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Totals:
        """The totals of `cells`."""
        totals = cls()
        totals.add(cells)
        return totals

    def add(self, cells: Sequence[Cell]) -> None:
        """Add measured cells."""
        whole = [cell for cell in cells if not cell.at_edge]
        self.cells += len(cells)
        self.at_edge += len(cells) - len(whole)
        self.area += sum(cell.area_px for cell in cells)
        self.nuclei += sum(cell.nucleus_area_px or 0 for cell in cells)
        self.kinds.update(cell.kind for cell in cells if cell.kind)
        for cell in whole:
            self.diameters.setdefault(cell.kind or NAME, array("d")).append(cell.diameter_px)

    @property
    def mean_diameter(self) -> float:
        """That of the whole cells in pixels; NaN without any."""
        count = sum(map(len, self.diameters.values()))
        return math.fsum(chain(*self.diameters.values())) / count if count else math.nan


def counted_row(
    image: str,
    size: Size,
    totals: Totals,
    task: Task,
    um_per_pixel: float | None,
    diameter: float | None = None,
    signs: Signs | None = None,
    damage: str = "",
) -> Row:
    """The row of an image of `size` with measured cells.

    `cells` counts all cells, `cells_at_edge` those cut by the image's edge. Mean diameters cover
    only the whole cells and are empty without any. `diameter` is that of the scale at which the
    cells were found, given or estimated; None: the image's own scale. `signs` are those of a wrong
    count; None: unknown. `damage` says what could not be read.
    """
    pixels = size[0] * size[1]
    doubted = signs.reason if signs and signs.doubt >= DOUBTFUL else ""
    row = {
        **_size_row(image, size),
        "cells": totals.cells,
        "cells_at_edge": totals.at_edge,
        "cell_area_share": _field(totals.area / pixels),
        "mean_diameter_px": _field(totals.mean_diameter),
        "scale_diameter_px": _field(diameter),
        "doubt": "" if signs is None else round(signs.doubt, 2),
        "warning": "; ".join(filter(None, (damage, doubted))),
    }
    if task.things and task.things.kinds:
        row |= {f"{kind}_cells": totals.kinds[kind] for kind in KINDS}
    if task.things and task.things.nucleus is not None:
        row["nucleus_ratio"] = _field(totals.nuclei / totals.area if totals.area else math.nan)
    if um_per_pixel is not None:
        row |= _scaled(totals, task, pixels, um_per_pixel)
    return row


def _scaled(totals: Totals, task: Task, pixels: int, um_per_pixel: float) -> Row:
    """The fields that need a scale: diameter, area of the picture, and cells in it by kind."""
    area = pixels * (um_per_pixel / UM_PER_MM) ** 2
    row: Row = {
        "mean_diameter_um": _field(totals.mean_diameter * um_per_pixel),
        "area_mm2": _field(area),
        "cells_per_mm2": _field(totals.cells / area),
    }
    if task.things and task.things.kinds:
        row |= {f"{kind}_cells_per_mm2": _field(totals.kinds[kind] / area) for kind in KINDS}
    return row


def summary_columns(task: Task, um_per_pixel: float | None) -> list[str]:
    """The columns of `summary.csv`."""
    if task.things is None:
        return list(summary_row("", np.zeros((8, 8), np.uint8), task))
    return list(counted_row("", (1, 1), Totals(), task, um_per_pixel))


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


def _field(value: float | bool | str | None) -> str | int | float:
    """A value for a CSV file: empty for None or NaN, yes or no for bool, rounded to `DIGITS`."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
