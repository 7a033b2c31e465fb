"""Cut pictures of any size into overlapping tiles, at their own scale.

Only the middle of each tile is kept, because a network lacks context near a tile's edge. The kept
parts of two tiles meet in the middle of their overlap. Tiles start at multiples of `GRID`, so that
a network that halves its input several times halves each tile as it would the whole picture (Huang
et al., "Tiling and Stitching Segmentation Output for Remote Sensing", 2018, arXiv:1805.12219, give
both reasons). Tiles that reach beyond the picture are filled by mirroring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import Image, Size

Pixel = TypeVar("Pixel", np.uint8, np.uint16)
GRID = 32
"""Pixels: the coarsest stride of any network here."""
MARGIN = 8
"""At least 1 / `MARGIN` of a tile is unused on a side with a neighbouring tile."""


@dataclass(frozen=True)
class Span:
    """A tile along one side of a picture: it starts at `start`; `first` to `last` is kept."""

    start: int
    first: int
    last: int


def spans(length: int, tile: int) -> list[Span]:
    """How tiles of `tile` pixels cover `length` pixels; the last may reach beyond the end."""
    if length <= tile:
        return [Span(0, 0, length)]
    grid = GRID if tile >= 2 * GRID else 1
    widest = max((tile - 2 * (tile // MARGIN)) // grid, 1) * grid
    end = -(-(length - tile) // grid) * grid
    count = -(-end // widest) + 1
    starts = [end * n // (count - 1) // grid * grid for n in range(count)]
    seams = [(one + tile + other) // 2 for one, other in zip(starts, starts[1:], strict=False)]
    edges = [0, *seams, length]
    return [Span(s, *ends) for s, *ends in zip(starts, edges, edges[1:], strict=False)]


def extended(image: NDArray[Pixel], size: Size) -> NDArray[Pixel]:
    """`image` extended to at least `size` by mirrored rows below and columns on the right."""
    below, right = (max(n - m, 0) for n, m in zip(size, image.shape, strict=False))
    if not below and not right:
        return image
    mirrored = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    return np.asarray(mirrored, image.dtype)


def middle(image: Image, size: Size) -> Image:
    """The middle of `image` as one tile of `size`, extended if `image` is smaller."""
    whole = extended(image, size)
    top, left = ((n - m) // 2 for n, m in zip(whole.shape, size, strict=False))
    return np.ascontiguousarray(whole[top : top + size[0], left : left + size[1]])
