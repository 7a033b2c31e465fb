"""Area, centroid, box, eccentricity and perimeter of all instances of a map, in a few passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanes.types import InstanceMap

Box = tuple[int, int, int, int]
"""Left, top, width, height."""
Counts = NDArray[np.intp]
"""One number for each id, from 0."""
DIAGONAL = 1 / math.sqrt(2)
"""The distance of neighbouring diagonal lines of pixels."""


@dataclass(frozen=True)
class Shape:
    """One instance; lengths in pixels. `nucleus` is the area of its nucleus, if nuclei are known.

    `x`, `y` is the centroid. `eccentricity` is that of the ellipse of equal second moments.
    `perimeter` is Crofton's, from the chords in four directions (Legland et al. 2007, "Computation
    of Minkowski measures on 2D and 3D binary images").
    """

    id: int
    area: int
    x: float
    y: float
    box: Box
    eccentricity: float
    perimeter: float
    nucleus: int | None


def shapes_of(instances: InstanceMap, nuclei: NDArray[np.bool_] | None = None) -> list[Shape]:
    """The shapes of all instances (H, W), in order of id; `nuclei` (H, W) marks their nuclei."""
    width = instances.shape[1]
    flat = np.flatnonzero(instances)
    ids = instances.ravel()[flat].astype(np.intp)
    count = int(ids.max(initial=0)) + 1
    rows, columns = np.divmod(flat, width)
    areas = np.bincount(ids, minlength=count)
    x, y = _means(ids, columns, areas), _means(ids, rows, areas)
    dx, dy = columns - x[ids], rows - y[ids]
    eccentricities = _eccentricities(*(_means(ids, v, areas) for v in (dx * dx, dy * dy, dx * dy)))
    perimeters = _perimeters(instances, count)
    boxes = _boxes(ids, rows, columns, count)
    inner = None if nuclei is None else np.bincount(ids[nuclei.ravel()[flat]], minlength=count)
    return [
        Shape(
            id=k,
            area=int(areas[k]),
            x=float(x[k]),
            y=float(y[k]),
            box=boxes[k],
            eccentricity=float(eccentricities[k]),
            perimeter=float(perimeters[k]),
            nucleus=None if inner is None else int(inner[k]),
        )
        for k in np.flatnonzero(areas).tolist()
    ]


def _means(ids: Counts, values: NDArray[Any], areas: Counts) -> NDArray[np.float64]:
    return np.asarray(np.bincount(ids, values, len(areas)) / np.maximum(areas, 1), np.float64)


def _eccentricities(
    xx: NDArray[np.float64], yy: NDArray[np.float64], xy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """From the second central moments."""
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = middle + spread, np.maximum(middle - spread, 0)
    return np.asarray(np.sqrt(1 - np.divide(short, long, out=np.ones_like(long), where=long > 0)))


def _perimeters(instances: InstanceMap, count: int) -> NDArray[np.float64]:
    """Pi / 4 x the sum over four directions of the chords x the distance of the lines."""
    padded = np.pad(instances, 1)
    here = padded[1:-1, 1:-1]

    def chords(down: int, right: int) -> Counts:
        rows, columns = here.shape
        beyond = padded[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        return np.bincount(here[here != beyond], minlength=count)

    straight = chords(0, 1) + chords(1, 0)
    return math.pi / 4 * (straight + DIAGONAL * (chords(1, 1) + chords(1, -1)))


def _boxes(ids: Counts, rows: Counts, columns: Counts, count: int) -> list[Box]:
    """The box of each id; pixels come in order of rows."""
    lows, highs = [], []
    for places in (columns, rows):
        low, high = np.full(count, np.iinfo(np.intp).max), np.full(count, -1)
        np.minimum.at(low, ids, places)
        np.maximum.at(high, ids, places)
        lows.append(low)
        highs.append(high - low + 1)
    return list(zip(*(values.tolist() for values in (*lows, *highs)), strict=True))
