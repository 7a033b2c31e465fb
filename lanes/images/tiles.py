"""Label pictures of any size in overlapping tiles, at their own scale.

Only the middle of each tile is kept, because a network lacks context near a tile's edge. The kept
parts of two tiles meet in the middle of their overlap. Tiles start at multiples of `GRID`, so that
a network that halves its input several times halves each tile as it would the whole picture (Huang
et al., "Tiling and Stitching Segmentation Output for Remote Sensing", 2018, arXiv:1805.12219, give
both reasons). Tiles that reach beyond the picture are filled by mirroring.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import Backend, Image, LabelMap, Pending, Size

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


@dataclass
class _Work:
    """A picture in tiles: those waiting and those in the engine, in order."""

    image: Image
    labels: LabelMap
    waiting: deque[tuple[Span, Span]]
    flying: deque[tuple[tuple[Span, Span], Pending]] = field(default_factory=deque)


class Tiler:
    """Labels pictures of any size with a backend that takes tiles of `size`.

    Takes one picture at a time. A backend with `any_size` gets the whole picture.
    """

    def __init__(self, backend: Backend, size: Size) -> None:
        self.backend, self.size = backend, size

    def submit(self, image: Image) -> Pending:
        """Start labelling `image` (H, W, 3), which must not change until the result is taken."""
        height, width = image.shape[:2]
        size = (height, width) if self.backend.any_size else self.size
        rows, columns = (spans(n, m) for n, m in zip((height, width), size, strict=True))
        reach = tuple(s[-1].start + m for s, m in zip((rows, columns), size, strict=True))
        work = _Work(
            image=extended(image, (reach[0], reach[1])),
            labels=np.empty((height, width), np.uint8),
            waiting=deque((row, column) for row in rows for column in columns),
        )
        pending = Pending(work, time.perf_counter())
        self._start(work, size)
        return pending

    def result(self, pending: Pending) -> LabelMap:
        """Wait for the labels (H, W) of a picture; raises `BackendError` if the engine failed."""
        work: _Work = pending.request
        size = work.labels.shape if self.backend.any_size else self.size
        while work.flying:
            (row, column), tile = work.flying.popleft()
            labels = self.backend.result(tile)[0]
            self._start(work, (size[0], size[1]))
            kept = labels[
                row.first - row.start : row.last - row.start,
                column.first - column.start : column.last - column.start,
            ]
            work.labels[row.first : row.last, column.first : column.last] = kept
            pending.finished = tile.finished
        return work.labels

    def _start(self, work: _Work, size: Size) -> None:
        """Submit as many tiles as the engine takes."""
        while work.waiting and len(work.flying) < self.backend.depth:
            row, column = place = work.waiting.popleft()
            tile = work.image[
                row.start : row.start + size[0], column.start : column.start + size[1]
            ]
            work.flying.append((place, self.backend.submit(np.ascontiguousarray(tile)[None])))
