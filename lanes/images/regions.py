"""Stray pieces and holes of a surface that should be in one piece, such as the road.

The surface consists of several classes, its ground first: drivable, then the lines on it. A stray
piece is an 8-connected part of the surface that holds ground and is not the largest. A hole is a
4-connected part of the rest that does not reach the picture's edge. The sizes below are in pixels
at 640x360; they scale with the area of the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import LabelMap

REFERENCE_AREA = 640 * 360
SMALLEST = 20
"""Smaller pieces and holes are not counted."""
LARGEST_HOLE = 1500
"""A larger hole may be a car."""
LARGEST_PIECE = 1500
"""A larger piece may be a road of its own, behind an island or a car; `tidied` keeps it."""


class Strays(NamedTuple):
    """How many stray pieces and holes a label map has, or label maps have on average."""

    pieces: float
    holes: float


def strays(labels: LabelMap, surface: Sequence[int]) -> Strays:
    """Count the stray pieces and holes of the classes `surface` in `labels` (H, W)."""
    scale = labels.size / REFERENCE_AREA
    pieces, holes = _parts(labels, surface)
    return Strays(
        int(np.sum(pieces.areas >= SMALLEST * scale)),
        int(np.sum((holes.areas >= SMALLEST * scale) & (holes.areas <= LARGEST_HOLE * scale))),
    )


def tidied(labels: LabelMap, surface: Sequence[int]) -> LabelMap:
    """`labels` (H, W) with small stray pieces removed and small holes filled.

    Pieces up to `LARGEST_PIECE` become background (0), holes up to `LARGEST_HOLE` become ground.
    Returns `labels` itself if there is nothing to do, or no surface.
    """
    if not surface:
        return labels
    scale = labels.size / REFERENCE_AREA
    pieces, holes = _parts(labels, surface)
    small_pieces = pieces.of(pieces.areas <= LARGEST_PIECE * scale)
    small_holes = holes.of(holes.areas <= LARGEST_HOLE * scale)
    if small_pieces is None and small_holes is None:
        return labels
    tidy = labels.copy()
    if small_pieces is not None:
        tidy[small_pieces] = 0
    if small_holes is not None:
        tidy[small_holes] = surface[0]
    return tidy


class _Parts(NamedTuple):
    """Some connected parts of a mask: `numbers` (H, W) names each pixel's part, 0 = none.

    `ids` and `areas` are those of the parts meant.
    """

    numbers: NDArray[np.int32]
    ids: NDArray[np.intp]
    areas: NDArray[np.int32]

    def of(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """The pixels (H, W) of the `chosen` parts; None if no part is."""
        if not chosen.any():
            return None
        table = np.zeros(int(self.numbers.max()) + 1, bool)
        table[self.ids[chosen]] = True
        return np.asarray(table[self.numbers])


def _parts(labels: LabelMap, surface: Sequence[int]) -> tuple[_Parts, _Parts]:
    """All stray pieces of the surface, and all its holes."""
    table = np.zeros(256, np.uint8)
    table[list(surface)] = 1
    mask = table[labels]
    numbers, stats = _connected(mask, 8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    ids = np.arange(1, len(stats))
    stray = np.zeros(len(stats), bool)
    stray[numbers[labels == surface[0]]] = True
    stray[1 + areas.argmax() if len(areas) else 0] = False
    stray = stray[1:]
    pieces = _Parts(numbers, ids[stray], areas[stray])
    numbers, stats = _connected(1 - mask, 4)
    ids = np.arange(1, len(stats))
    enclosed = _enclosed(stats[1:], labels.shape)
    return pieces, _Parts(numbers, ids[enclosed], stats[1:, cv2.CC_STAT_AREA][enclosed])


def _connected(
    mask: NDArray[np.uint8], connectivity: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The part of each pixel, and OpenCV's statistics of the parts; row 0 is the rest."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    return np.asarray(numbers, np.int32), np.asarray(stats, np.int32)


def _enclosed(stats: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which parts do not touch the picture's edge."""
    left, top, width, height = stats[:, :4].T
    inside = (left > 0) & (top > 0)
    return np.asarray(inside & (left + width < shape[1]) & (top + height < shape[0]))
