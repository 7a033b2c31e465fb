"""How doubtful a count of cells is, 0..1, from signs that need no truth.

The signs are weighed as in a logistic regression; the weights are set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np

from lanes.cells.instances import Cell, Mask
from lanes.types import Image

DOUBTFUL = 0.5
"""From this doubt on, a count gets a warning."""
SHRED, RAGGED = 0.35, 0.75
"""A shred has less than this share of the learned area; a ragged cell is less circular."""
ODD_SIZE = 1.5
"""A cell is odd if its diameter differs from the typical one by more than this ratio."""
CLEAR = 3.0
"""A contrast from which on cells are clear."""
SMALLEST, LARGEST = 12.0, 400.0
"""Diameters in pixels that cells have."""
WIDEST = 0.7
"""The largest cell relative to the shorter side of its picture."""
WEIGHTS = (2.0, 1.0, 3.0, 3.0, 1.0, 5.0)
BIAS = -2.5
REASONS = (
    "another scale gives another count",
    "the cells differ in size from those learned",
    "many cells are small pieces",
    "many cells are ragged",
    "cells and slide hardly differ in colour",
    "what was found is too small or too large for cells",
)
"""What each sign says; one for each weight."""


@dataclass(frozen=True)
class Signs:
    """Signs of a wrong count, each 0 in a clear picture and about 1 in a bad one.

    `looks`: log ratio of the counts at two scales. `size`: log ratio of found and learned diameter.
    `shreds` and `ragged`: shares of the cells. `faint`: -log of the contrast of cells and slide, in
    deviations. `scale`: log ratio by which their diameter in the picture is none of a cell.
    """

    looks: float = 0.0
    size: float = 0.0
    shreds: float = 0.0
    ragged: float = 0.0
    faint: float = 0.0
    scale: float = 0.0

    @property
    def doubt(self) -> float:
        """The doubt, 0..1."""
        return 1 / (1 + math.exp(-BIAS - sum(self._parts)))

    @property
    def reason(self) -> str:
        """The sign that weighs most, in words."""
        return REASONS[int(np.argmax(self._parts))]

    @property
    def _parts(self) -> list[float]:
        return [weight * sign for weight, sign in zip(WEIGHTS, astuple(self), strict=True)]


def signs_of(
    cells: Sequence[Cell],
    diameter: float | None,
    counts: tuple[int, int],
    contrast: float,
    scale: float = 0.0,
) -> Signs:
    """The signs of a picture with `cells`, measured at the network's scale.

    There they should have a diameter of `diameter` pixels. `counts` are those at two scales,
    `contrast` is that of `contrast_of`, `scale` that of `scale_sign`. Cells at the edge are cut and
    tell nothing about sizes.
    """
    whole = [cell for cell in cells if not cell.at_edge]
    found = float(np.median([cell.diameter_px for cell in whole])) if whole else 0.0
    wanted = diameter or found
    least = SHRED * math.pi / 4 * wanted**2
    return Signs(
        looks=abs(math.log((counts[0] + 1) / (counts[1] + 1))),
        size=abs(math.log(found / wanted)) if found else 0.0,
        shreds=_share([cell.area_px < least for cell in whole]),
        ragged=_share([cell.circularity < RAGGED for cell in whole]),
        faint=math.log(CLEAR / min(max(contrast, CLEAR / 50), CLEAR)) if cells else 0.0,
        scale=scale if cells else 0.0,
    )


def scale_sign(diameter: float | None, side: int) -> float:
    """The sign for cells of `diameter` pixels in a picture whose shorter side has `side` pixels."""
    if diameter is None:
        return 0.0
    largest = max(min(LARGEST, WIDEST * side), SMALLEST)
    return max(math.log(SMALLEST / diameter), math.log(diameter / largest), 0.0)


def contrast_of(image: Image, cells: Mask) -> float:
    """How far cells (mask, H, W) and slide of `image` (H, W, 3) differ, in deviations.

    The clearest colour channel counts; 0 without cells or slide.
    """
    if not cells.any() or cells.all():
        return 0.0
    inner, inner_spread = cv2.meanStdDev(image, mask=cells)
    outer, outer_spread = cv2.meanStdDev(image, mask=1 - cells)
    spread = np.maximum(np.hypot(inner_spread, outer_spread), 1.0)
    return float((np.abs(inner - outer) / spread).max())


def doubt_of_cell(cell: Cell, typical: float) -> tuple[float, str]:
    """How unlike a typical cell of that diameter in pixels it is, 0..1, and in what.

    Up to `ODD_SIZE` times larger or smaller is usual: white cells are larger.
    """
    size = abs(math.log2(cell.diameter_px / typical)) - math.log2(ODD_SIZE)
    ragged = (RAGGED - cell.circularity) / RAGGED
    if size > ragged:
        return min(max(size, 0.0), 1.0), "small" if cell.diameter_px < typical else "large"
    return max(ragged, 0.0), "ragged"


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
