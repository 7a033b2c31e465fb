"""Tiling as a backend: pictures of any size, cut into tiles for a backend that takes one size.

The wrapped backend and whoever labels with it need not know (as with the `Tiler` of OpenVINO's
Model API, https://github.com/open-edge-platform/model_api). `lanes.images.tiles` places the tiles.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass

import numpy as np

from lanes.backends import _engine
from lanes.images.resize import Resize
from lanes.images.tiles import Span, extended, spans
from lanes.types import (
    Backend,
    Image,
    ImageBatch,
    LabelBatch,
    LabelMap,
    Pending,
    ScoreBatch,
    Size,
)


def tiled(backend: Backend, resize: Resize) -> Backend:
    """The backend for a model with `resize`: in tiles, unless `backend` takes any size itself."""
    if not resize.in_tiles or backend.any_size:
        return backend
    return TiledBackend(backend, resize.size)


@dataclass
class _Picture:
    """A picture extended to whole tiles, its labels, and how many tiles have none yet."""

    image: Image
    labels: LabelMap
    pending: Pending
    left: int

    def scores(self, classes: int) -> ScoreBatch:
        """The scores of the whole picture, made at the first call."""
        if self.pending.scores is None:
            self.pending.scores = np.empty((1, classes, *self.labels.shape), np.float16)
        return self.pending.scores


@dataclass
class _Tile:
    """A tile's place in `picture`."""

    picture: _Picture
    row: Span
    column: Span

    def cut(self, size: Size) -> ImageBatch:
        """The tile (1, h, w, 3)."""
        top, left = self.row.start, self.column.start
        tile = self.picture.image[top : top + size[0], left : left + size[1]]
        return np.ascontiguousarray(tile)[None]

    def keep(self, labels: LabelMap, tile: Pending) -> None:
        """Copy what counts of the tile's `labels` (h, w) and scores into the picture's."""
        row, column, picture = self.row, self.column, self.picture
        there = np.s_[..., row.first : row.last, column.first : column.last]
        here = np.s_[
            ...,
            row.first - row.start : row.last - row.start,
            column.first - column.start : column.last - column.start,
        ]
        picture.labels[there] = labels[here]
        if tile.scores is not None:
            picture.scores(tile.scores.shape[1])[there] = tile.scores[here]
        picture.pending.finished = tile.finished
        picture.left -= 1


class TiledBackend(_engine.Engine):
    """See `lanes.types.Backend`: labels pictures of any size with one that takes tiles of `size`.

    While the last tiles of a picture are in the engine, the first of the next one follow.
    """

    any_size = True

    def __init__(self, backend: Backend, size: Size) -> None:
        """Wrap `backend`, whose input is (1, height, width, 3) of `size`."""
        super().__init__(backend.device, backend.precision, (1, *size, 3))
        self.name = self.library = backend.name
        self.backend, self.size, self.depth = backend, size, backend.depth
        self._waiting: deque[_Tile] = deque()
        self._flying: deque[tuple[_Tile, Pending]] = deque()

    def _start(self, images: ImageBatch, pending: Pending) -> _Picture:
        image = images[0]
        height, width = image.shape[:2]
        rows, columns = spans(height, self.size[0]), spans(width, self.size[1])
        reach = rows[-1].start + self.size[0], columns[-1].start + self.size[1]
        labels = np.empty((height, width), np.uint8)
        picture = _Picture(extended(image, reach), labels, pending, len(rows) * len(columns))
        self._waiting.extend(_Tile(picture, row, column) for row in rows for column in columns)
        self._fill()
        return picture

    def _fill(self) -> None:
        """Submit as many tiles as the engine takes."""
        while self._waiting and len(self._flying) < self.backend.depth:
            tile = self._waiting[0]
            self._flying.append((tile, self.backend.submit(tile.cut(self.size))))
            self._waiting.popleft()

    def _wait(self, request: _Picture) -> LabelBatch:
        try:
            self._fill()
            while request.left:
                tile, pending = self._flying.popleft()
                tile.keep(self.backend.result(pending)[0], pending)
                self._fill()
        except BaseException:
            self._drop(request)
            raise
        return request.labels[None]

    def _drop(self, picture: _Picture) -> None:
        """Take what the engine owes for a picture that failed, so that the next one is whole."""
        self._waiting = deque(tile for tile in self._waiting if tile.picture is not picture)
        while self._flying and self._flying[0][0].picture is picture:
            with contextlib.suppress(Exception):
                self.backend.result(self._flying.popleft()[1])

    def close(self) -> None:
        """Free the wrapped backend."""
        super().close()
        self.backend.close()
