"""Segment a label map into cells and measure each of them.

The task defines the labels that make up a cell (`lanes.types.Things`); a "cell" here is any thing
that a task counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.cells.shapes import Shape, shapes_of
from lanes.errors import BadInput
from lanes.types import InstanceMap, LabelMap, Size, Task, Things, Unit

Mask: TypeAlias = NDArray[np.uint8]
Depth: TypeAlias = NDArray[np.float32]
"""(H, W): each pixel's distance to the nearest pixel outside the cell."""

MIN_AREA = 60
"""Pixels; smaller components are stains, not cells."""
MOST = np.iinfo(np.uint16).max
CONVEX = 0.93
"""A shape that fills at least this share of its convex hull counts as convex."""
DEPTH = 0.15
"""A neck splits two cells if it is narrower than the smaller cell by this share."""
STEP = 1.0
"""Step in pixels of the rising level that searches for necks."""


KINDS = RED, WHITE = "red", "white"
NAME = "cell"
"""The name of a cell without a kind."""
NUCLEATED = 0.1
"""A cell of which at least this share is nucleus is a white cell; less is a stain or a parasite."""


@dataclass(frozen=True)
class Cell:
    """One cell and its measures; a row of `cells.csv`, whose columns are these names.

    `x`, `y` is the centroid; `left`, `top`, `width`, `height` the bounding box, in pixels.
    `circularity` is 4 pi area / perimeter^2, 1 for a disc; `eccentricity` that of the ellipse of
    equal moments, 0 for a disc. `at_edge`: the picture's edge cuts the cell, so its measures cover
    only a part. `nucleus_ratio` is nucleus / cell area, 0..1; None in a task without nuclei. The
    `_um` measures are None unless the scale is known. `kind` is one of `KINDS`, by the share of the
    nucleus; None in a task without kinds.
    """

    id: int
    x: float
    y: float
    left: int
    top: int
    width: int
    height: int
    at_edge: bool
    area_px: int
    diameter_px: float
    circularity: float
    eccentricity: float
    nucleus_area_px: int | None = None
    nucleus_ratio: float | None = None
    area_um2: float | None = None
    diameter_um: float | None = None
    nucleus_area_um2: float | None = None
    kind: str | None = None


def things_of(task: Task) -> Things:
    """The things that `task` counts; raises `BadInput` if there are none."""
    if task.things is None:
        raise BadInput(f"the task {task.name!r} has nothing to count: use a task with cells")
    return task.things


UNITS = {"cells": Unit.COUNT, "mean diameter": Unit.PIXELS}
"""The units of the measures of `summary` that are not shares."""


def summary(labels: LabelMap, things: Things) -> dict[str, float]:
    """Quick measures of a label map for display, in a few milliseconds per picture.

    `cells` counts connected components without the border class. Cells that touch without a border
    count as one here, while `segment` may split them. `mean diameter` is that of discs of equal
    area, in pixels, 0 without cells; shares and ratios are 0..1.
    """
    area = cv2.countNonZero(among(labels, (*things.classes, *_border(things))))
    areas = _areas(labels, things)
    cells = areas[areas >= _least(areas, things, MIN_AREA)]
    # The border belongs to the cells, though not to a known one.
    mean_area = cells.mean() * area / areas.sum() if len(cells) else 0.0
    found = {
        "cells": float(len(cells)),
        "cell area share": area / max(labels.size, 1),
        "mean diameter": diameter(mean_area),
    }
    if things.nucleus is not None:
        found["nucleus ratio"] = cv2.countNonZero(among(labels, (things.nucleus,))) / max(area, 1)
    return found


def segment(
    labels: LabelMap, task: Task, min_area: int = MIN_AREA, typical: float | None = None
) -> InstanceMap:
    """The cells of `labels` (H, W), numbered from 1 in the reading order of their first pixels.

    A watershed on the distance transform splits connected components of the cell classes that are
    not convex (Vincent & Soille 1991). Cells below `min_area` pixels, or below the task's share of
    the typical cell, are dropped. Their pixels and the border pixels then go to the nearest cell
    that they are connected to. `typical` is the typical area in pixels; None: as found in `labels`.

    Raises:
        BadInput: the task counts nothing, or there are more than 65,535 cells.
    """
    things = things_of(task)
    body = among(labels, things.classes)
    cells = _split(body, min_area)
    areas = np.bincount(cells.ravel())[1:]
    known = areas if typical is None else np.array([round(typical)])
    small = np.flatnonzero(areas < _least(known, things, min_area)) + 1
    cells[np.isin(cells, small)] = 0
    whole = among(labels, (*things.classes, *_border(things)))
    pieces = np.asarray(cv2.connectedComponents(whole, connectivity=8)[1])
    with_cell = np.bincount(pieces[cells > 0], minlength=int(pieces.max()) + 1) > 0
    return _numbered(np.where(with_cell[pieces], _nearest(cells), 0))


def measure(
    instances: InstanceMap, labels: LabelMap, task: Task, um_per_pixel: float | None = None
) -> list[Cell]:
    """The measures of each cell of `instances` (H, W), in order of id.

    `labels` (H, W) mark the nuclei; `um_per_pixel` is the side of a pixel in micrometres.

    Raises:
        BadInput: shapes differ, the task counts nothing, or the scale is not above 0.
    """
    things = things_of(task)
    if instances.shape != labels.shape:
        raise BadInput(
            f"instances are {instances.shape}, labels {labels.shape}; wanted the same shape: "
            "pass what `segment` returned for these labels"
        )
    if um_per_pixel is not None and not 0 < um_per_pixel < math.inf:
        raise BadInput(f"got {um_per_pixel} micrometres per pixel; wanted a number above 0")
    nuclei = None if things.nucleus is None else labels == things.nucleus
    size = instances.shape[0], instances.shape[1]
    shapes = shapes_of(instances, nuclei)
    cells = [_cell(shape, size, um_per_pixel) for shape in shapes]
    return [replace(cell, kind=_kind(cell)) for cell in cells] if things.kinds else cells


def _kind(cell: Cell) -> str:
    return WHITE if (cell.nucleus_ratio or 0) >= NUCLEATED else RED


def among(labels: LabelMap, ids: Iterable[int]) -> Mask:
    """1 where `labels` (H, W) is one of `ids`, else 0."""
    table = np.zeros(256, np.uint8)
    table[list(ids)] = 1
    return np.asarray(cv2.LUT(labels, table), np.uint8)


def diameter(area: float) -> float:
    """The diameter of the disc of that area."""
    return 2 * math.sqrt(area / math.pi)


def count_pieces(labels: LabelMap, things: Things) -> int:
    """The number of components without borders that are no specks: a quick count of the cells."""
    areas = _areas(labels, things)
    return int((areas >= _least(areas, things, MIN_AREA)).sum())


def typical_diameter(labels: LabelMap, things: Things) -> float:
    """The diameter in pixels of the typical component without borders; 0 without components."""
    areas = _areas(labels, things)
    return diameter(_typical(areas)) if len(areas) else 0.0


def _areas(labels: LabelMap, things: Things) -> NDArray[np.int32]:
    """The areas of the components without borders."""
    body = among(labels, things.classes)
    stats = cv2.connectedComponentsWithStats(body, connectivity=4)[2]
    return np.asarray(stats, np.int32)[1:, cv2.CC_STAT_AREA]


def _least(areas: NDArray[np.integer[Any]], things: Things, floor: int) -> float:
    """The least area of a cell, given the areas of all components."""
    return max(floor, things.least * _typical(areas)) if len(areas) else floor


def _typical(areas: NDArray[np.integer[Any]]) -> float:
    """The pixel-weighted median of the areas, because specks may outnumber the cells."""
    falling = np.sort(areas)[::-1]
    return float(falling[np.searchsorted(np.cumsum(falling), falling.sum() / 2)])


def _border(things: Things) -> tuple[int, ...]:
    return () if things.border is None else (things.border,)


def _split(body: Mask, min_area: int) -> NDArray[np.int32]:
    """The components of `body` with at least `min_area` pixels, split into single cells."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=4)
    found = np.zeros(body.shape, np.int32)
    cells = 0
    for k in range(1, len(stats)):
        if stats[k, cv2.CC_STAT_AREA] < min_area:
            continue
        box = _box(stats[k])
        piece = np.asarray(pieces)[box] == k
        parts = _parts(piece.astype(np.uint8), math.sqrt(min_area / math.pi))
        found[box][piece] = parts[piece] + cells
        cells += int(parts.max())
    return found


def _parts(piece: Mask, least: float) -> NDArray[np.int32]:
    """Split a connected component (H, W) into cells 1, 2, ...; `least` is the least radius."""
    piece = np.asarray(cv2.copyMakeBorder(piece, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.uint8)
    outlines, tree = cv2.findContours(piece, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    inner = [o for o, (*_, parent) in zip(outlines, tree[0], strict=True) if parent >= 0]
    outer = next(o for o, (*_, parent) in zip(outlines, tree[0], strict=True) if parent < 0)
    # A pale centre is convex and is filled; a gap enclosed by cells is concave and splits them.
    pale = [hole for hole in inner if _is_convex(hole)]
    if _is_convex(outer) and len(pale) == len(inner):
        return piece[1:-1, 1:-1].astype(np.int32)
    filled = np.asarray(cv2.drawContours(piece.copy(), pale, -1, 1, cv2.FILLED), np.uint8)
    depth = np.asarray(cv2.distanceTransform(filled, cv2.DIST_L2, 5), np.float32)
    cores = np.zeros(piece.shape, np.int32)
    _number_cores(cores, depth, 0.0, least, count(1))
    return _nearest(cores)[1:-1, 1:-1]


def _is_convex(outline: NDArray[Any]) -> bool:
    return cv2.contourArea(outline) >= CONVEX * cv2.contourArea(cv2.convexHull(outline))


def _number_cores(
    cores: NDArray[np.int32], depth: Depth, level: float, least: float, numbers: Iterator[int]
) -> None:
    """Number in `cores` the parts into which a rising `level` divides a distance map (H, W).

    These are the catchment basins of the watershed (Vincent & Soille 1991), except basins that rise
    above the neck to the next by less than `DEPTH` of their height, or do not reach `least`.
    """
    while level < (1 - DEPTH) * depth.max():
        # A neck is judged relative to the depth, so large depths need no finer steps.
        level += max(STEP, DEPTH / 4 * level)
        deep = cv2.threshold(depth, level, 1, cv2.THRESH_BINARY)[1].astype(np.uint8)
        found, pieces, stats, _ = cv2.connectedComponentsWithStats(deep)
        if found <= 2:  # the outside, and one part: the usual case
            continue
        parts = []
        for k in range(1, len(stats)):
            box = _box(stats[k])
            part = np.where(np.asarray(pieces)[box] == k, depth[box], 0)
            if part.max() >= max(least, level / (1 - DEPTH)):
                parts.append((box, part))
        if len(parts) > 1:
            for box, part in parts:
                _number_cores(cores[box], part, level, least, numbers)
            return
    cores[depth > 0] = next(numbers)


def _box(stats: Any) -> tuple[slice, slice]:
    """The slices of a component, from its row of OpenCV's statistics."""
    left, top, width, height = (int(value) for value in stats[:4])
    return slice(top, top + height), slice(left, left + width)


def _nearest(cells: NDArray[np.int32]) -> NDArray[np.int32]:
    """The id of the nearest cell for each pixel (H, W); all 0 without cells."""
    labels = cv2.distanceTransformWithLabels(
        (cells == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )[1]
    table = np.zeros(cells.size + 1, np.int32)
    here = cells > 0
    table[labels[here]] = cells[here]
    nearest: NDArray[np.int32] = table[labels]
    return nearest


def _numbered(cells: NDArray[np.int32]) -> InstanceMap:
    """The same cells as uint16, numbered from 1 without gaps in order of their first pixels."""
    none = cells.size
    first = np.full(int(cells.max(initial=0)) + 1, none)
    # Write backwards, so that the first pixel of each cell wins.
    first[cells.ravel()[::-1]] = np.arange(none)[::-1]
    ids = np.flatnonzero(first[1:] < none) + 1
    ids = ids[np.argsort(first[ids])]
    if len(ids) > MOST:
        raise BadInput(f"{len(ids)} cells in one picture; the limit is {MOST}: crop the picture")
    table = np.zeros(len(first), np.uint16)
    table[ids] = np.arange(1, len(ids) + 1)
    numbered: InstanceMap = table[cells]
    return numbered


def _cell(shape: Shape, size: Size, um_per_pixel: float | None) -> Cell:
    left, top, width, height = shape.box
    area, perimeter, scale, nucleus = shape.area, shape.perimeter, um_per_pixel, shape.nucleus
    # The perimeter of a few pixels is a guess; no shape is rounder than a disc.
    circularity = min(4 * math.pi * area / perimeter**2, 1.0) if perimeter else 1.0
    at_edge = top == 0 or left == 0 or top + height == size[0] or left + width == size[1]
    return Cell(
        id=shape.id,
        x=shape.x,
        y=shape.y,
        left=left,
        top=top,
        width=width,
        height=height,
        at_edge=at_edge,
        area_px=area,
        diameter_px=diameter(area),
        circularity=circularity,
        eccentricity=shape.eccentricity,
        nucleus_area_px=nucleus,
        nucleus_ratio=None if nucleus is None else nucleus / area,
        area_um2=None if scale is None else area * scale**2,
        diameter_um=None if scale is None else diameter(area) * scale,
        nucleus_area_um2=None if scale is None or nucleus is None else nucleus * scale**2,
    )
