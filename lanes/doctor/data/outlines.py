"""Turn label maps into polygons, for formats and tools that want outlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
"""(P, 2): x, y in pixels."""


class Part(NamedTuple):
    """A connected part of a mask: its outer ring and its holes."""

    outer: Points
    holes: list[Points]

    @property
    def area(self) -> float:
        """The area inside the outer ring, in pixels."""
        return float(cv2.contourArea(self.outer.astype(np.float32)))


def parts_of(mask: NDArray[np.bool_]) -> Iterator[Part]:
    """The connected parts of a mask (H, W).

    The rings run a quarter of a pixel inside the pixels' edges, so that filling them by pixel
    centres gives the mask again.
    """
    doubled = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    rings, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return
    points = [ring.reshape(-1, 2) / 2 + 0.25 for ring in rings]
    parents = np.asarray(tree)[0, :, 3]
    for k in np.flatnonzero(parents < 0):
        yield Part(points[k], [points[i] for i in np.flatnonzero(parents == k)])


def keyhole(part: Part) -> Points:
    """One ring for a part with holes: to each hole and back along the same cut."""
    ring = part.outer
    for hole in part.holes:
        far = ((ring[:, None] - hole[None]) ** 2).sum(axis=2)
        i, j = np.unravel_index(far.argmin(), far.shape)
        ring = np.concatenate([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])
    return ring


def simplified(ring: Points, tolerance: float) -> Points:
    """A ring with fewer corners, at most `tolerance` pixels away (Douglas & Peucker 1973)."""
    short = cv2.approxPolyDP(ring.astype(np.float32), tolerance, closed=True)
    return np.asarray(short, np.float64).reshape(-1, 2)
