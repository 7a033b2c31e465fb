"""From a label map to its cells: which pixels belong to which cell, and the measures of each.

Which labels make up a cell is said by the task (`lanes.types.Things`); a "cell" here is any thing
that a task counts. `summary` is quick and needs OpenCV alone; `segment` and `measure` need
scikit-image, the extra `cells`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.plugins import missing
from lanes.types import LabelMap, Size, Task, Things

InstanceMap: TypeAlias = NDArray[np.uint16]
"""(H, W): 0 = none, else the id of a cell, 1..N in reading order of their first pixels."""
Mask: TypeAlias = NDArray[np.uint8]

MIN_AREA = 60
"""Pixels; smaller pieces are stains, not cells."""
MOST = np.iinfo(np.uint16).max
CONVEX = 0.93
"""Share of its convex hull that a single cell fills at least; what fills less may be several."""
DEPTH = 0.12
"""A neck parts two cells if it is narrower than the lesser of them by this share."""


@dataclass(frozen=True)
class Cell:
    """One cell and its measures; a row of `cells.csv`, whose columns are these names.

    `x`, `y` is the centroid; `left`, `top`, `width`, `height` the bounding box, in pixels.
    `circularity` is 4 pi area / perimeter^2, 1 for a disc; `eccentricity` that of the ellipse of
    equal moments, 0 for a disc. `at_edge`: the picture's edge cuts it, so that its measures are of
    a part. `nucleus_ratio` is nucleus / cell area, 0..1; None in a task without nuclei. The `_um`
    measures are None unless the scale is known.
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


def things_of(task: Task) -> Things:
    """What `task` counts; raises `BadInput` if it counts nothing."""
    if task.things is None:
        raise BadInput(f"the task {task.name!r} counts nothing: wanted one with cells")
    return task.things


def summary(labels: LabelMap, things: Things) -> dict[str, float]:
    """What a screen shows of a label map, in a few milliseconds a picture.

    `cells` counts the connected pieces beside the border class: those that touch without one count
    as one here, while `segment` may part them. `mean diameter` is that of the discs of equal area,
    in pixels, 0 without a cell; shares and ratios are 0..1.
    """
    area = cv2.countNonZero(among(labels, (*things.classes, *_border(things))))
    areas = np.bincount(_components(among(labels, things.classes)).ravel())[1:]
    cells = areas[areas >= MIN_AREA]
    # The border is part of the cells, though this does not say of which.
    mean_area = cells.mean() * area / areas.sum() if len(cells) else 0.0
    found = {
        "cells": float(len(cells)),
        "cell area share": area / max(labels.size, 1),
        "mean diameter": diameter(mean_area),
    }
    if things.nucleus is not None:
        found["nucleus ratio"] = cv2.countNonZero(among(labels, (things.nucleus,))) / max(area, 1)
    return found


def segment(labels: LabelMap, task: Task, min_area: int = MIN_AREA) -> InstanceMap:
    """The cells of `labels` (H, W), numbered from 1.

    Connected pieces of the cell classes are taken apart by a watershed on their distance transform
    where they are no single convex shape (Vincent & Soille 1991); pieces below `min_area` pixels
    are dropped; then border pixels are given back to the nearest cell that they are connected to.

    Raises:
        BadInput: the task counts nothing, or there are more than 65,535 cells.
        MissingDependency: scikit-image is not installed.
    """
    things = things_of(task)
    body = among(labels, things.classes)
    seeds = _split(_components(body), min_area)
    if things.border is None:
        return _numbered(seeds)
    whole = among(labels, (*things.classes, things.border))
    away = cv2.distanceTransform((seeds == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return _numbered(_skimage("segmentation").watershed(away, seeds, mask=whole > 0))


def measure(
    instances: InstanceMap, labels: LabelMap, task: Task, um_per_pixel: float | None = None
) -> list[Cell]:
    """The measures of each cell of `instances` (H, W), in order of their ids.

    `labels` of the same shape tell the nuclei; `um_per_pixel` is a pixel's side in micrometres.

    Raises:
        BadInput: shapes differ, the task counts nothing, or the scale is not above 0.
        MissingDependency: scikit-image is not installed.
    """
    things = things_of(task)
    if instances.shape != labels.shape:
        raise BadInput(
            f"instances are {instances.shape}, labels {labels.shape}: wanted one shape, those "
            "that `segment` made of these labels"
        )
    if um_per_pixel is not None and not 0 < um_per_pixel < math.inf:
        raise BadInput(f"{um_per_pixel} micrometres a pixel; wanted a number above 0")
    nuclei = None if things.nucleus is None else labels == things.nucleus
    regions = _skimage("measure").regionprops(instances)
    return [_cell(region, instances.shape, nuclei, um_per_pixel) for region in regions]


def among(labels: LabelMap, ids: Iterable[int]) -> Mask:
    """1 where `labels` (H, W) is one of `ids`, else 0."""
    table = np.zeros(256, np.uint8)
    table[list(ids)] = 1
    return np.asarray(cv2.LUT(labels, table), np.uint8)


def diameter(area: float) -> float:
    """The diameter of the disc of that area."""
    return 2 * math.sqrt(area / math.pi)


def _border(things: Things) -> tuple[int, ...]:
    return () if things.border is None else (things.border,)


def _components(mask: Mask) -> NDArray[np.int32]:
    """The pieces of `mask` (H, W) that touch by sides, numbered from 1."""
    return np.asarray(cv2.connectedComponents(mask, connectivity=4)[1], np.int32)


def _split(pieces: NDArray[np.int32], min_area: int) -> NDArray[np.int32]:
    """`pieces` without the small ones, those of several cells parted."""
    found = np.zeros_like(pieces)
    count = 0
    for region in _skimage("measure").regionprops(pieces):
        if region.area < min_area:
            continue
        parts = _parts(np.pad(region.image_filled.astype(np.uint8), 1))[1:-1, 1:-1]
        parts = np.where(region.image, parts, 0)
        here = found[region.slice]
        here[parts > 0] = parts[parts > 0] + count
        count += int(parts.max())
    return found


def _parts(mask: Mask) -> NDArray[np.int32]:
    """One connected piece (H, W), with a rim of zeros, as its cells from 1 on."""
    outline = max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
    hull = cv2.contourArea(cv2.convexHull(outline))
    if cv2.contourArea(outline) >= CONVEX * hull:
        return mask.astype(np.int32)
    depth = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5), np.float32)
    markers = _peaks(depth)
    if markers.max() < 2:
        return mask.astype(np.int32)
    parts = _skimage("segmentation").watershed(-depth, markers, mask=mask > 0)
    return np.asarray(parts, np.int32)


def _peaks(depth: NDArray[np.float32]) -> NDArray[np.int32]:
    """The peaks of a distance map that stand out by `DEPTH` of their height, numbered from 1.

    In the logarithm a share is a difference: then these are its h-maxima (Soille 1999).
    """
    morphology = _skimage("morphology")
    height = np.log(np.maximum(depth, 0.5))
    rebuilt = morphology.reconstruction(height + math.log(1 - DEPTH), height)
    return _components(morphology.local_maxima(rebuilt).astype(np.uint8))


def _numbered(cells: NDArray[np.int32]) -> InstanceMap:
    """The same cells as uint16, numbered from 1 without gaps in order of their first pixels."""
    ids, first = np.unique(cells, return_index=True)
    ids = ids[np.argsort(first)]
    ids = ids[ids > 0]
    if len(ids) > MOST:
        raise BadInput(f"{len(ids)} cells in one picture; at most {MOST} can be numbered: cut it")
    table = np.zeros(int(cells.max(initial=0)) + 1, np.uint16)
    table[ids] = np.arange(1, len(ids) + 1)
    numbered: InstanceMap = table[cells]
    return numbered


def _cell(
    region: Any, size: Size, nuclei: NDArray[np.bool_] | None, um_per_pixel: float | None
) -> Cell:
    top, left, bottom, right = region.bbox
    area = int(region.area)
    nucleus = None if nuclei is None else int((nuclei[region.slice] & region.image).sum())
    perimeter = float(region.perimeter_crofton)
    # Of a few pixels the perimeter is a guess: no shape is rounder than a disc.
    circularity = min(4 * math.pi * area / perimeter**2, 1.0) if perimeter else 1.0
    y, x = region.centroid
    scale = um_per_pixel
    return Cell(
        id=int(region.label),
        x=float(x),
        y=float(y),
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        at_edge=top == 0 or left == 0 or bottom == size[0] or right == size[1],
        area_px=area,
        diameter_px=diameter(area),
        circularity=circularity,
        eccentricity=float(region.eccentricity),
        nucleus_area_px=nucleus,
        nucleus_ratio=None if nucleus is None else nucleus / area,
        area_um2=None if scale is None else area * scale**2,
        diameter_um=None if scale is None else diameter(area) * scale,
        nucleus_area_um2=None if scale is None or nucleus is None else nucleus * scale**2,
    )


def _skimage(module: str) -> Any:
    """A module of scikit-image, which is slow to import and optional."""
    try:
        return importlib.import_module(f"skimage.{module}")
    except ModuleNotFoundError as error:
        raise missing("counting cells", (error.name or "skimage").partition(".")[0]) from error
