"""A map of ids as large as a slide, kept as compressed tiles in a scratch file."""

from __future__ import annotations

import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lanes.images.tiff import Box, library
from lanes.system.atomic import atomic_file, writing
from lanes.types import Size

Ids = NDArray[np.uint32]
SIDE = 512
"""Pixels of a tile's side."""
OPEN = 128
"""Tiles that are kept uncompressed: 1 MiB each."""
LEVEL = 1
"""Of zlib; ids are long runs, which the fastest level compresses as well."""


class IdTiles:
    """Ids (H, W), 0 at first; parts are read and written in any order. A context manager."""

    def __init__(self, size: Size, folder: Path) -> None:
        """Make a scratch file in `folder`, which vanishes by itself; raises `BadOutput`."""
        self.size = size
        self.across, self.down = (-(-length // SIDE) for length in size[::-1])
        with writing(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (until `close`)
        self._places: dict[int, tuple[int, int]] = {}
        self._open: OrderedDict[int, Ids] = OrderedDict()

    def read(self, box: Box) -> Ids:
        """The ids (h, w) of `box`."""
        found = np.zeros(box.size, np.uint32)
        for number, here, there in self._touched(box):
            if number in self._open or number in self._places:
                found[here] = self._tile(number)[there]
        return found

    def paste(self, box: Box, ids: Ids) -> None:
        """Write those of `ids` (h, w) that are not 0 into `box`."""
        for number, here, there in self._touched(box):
            part = ids[here]
            if part.any():
                np.copyto(self._tile(number)[there], part, where=part > 0)

    def save(self, path: Path) -> None:
        """Write all as a tiled, compressed BigTIFF of 32 bits, atomically; raises `BadOutput`."""
        while self._open:
            self._store(*self._open.popitem())
        with atomic_file(path, durable=False) as part:
            library(path).imwrite(
                part,
                self._encoded(),
                shape=self.size,
                dtype=np.uint32,
                tile=(SIDE, SIDE),
                compression="zlib",
                bigtiff=True,
                metadata=None,
            )

    def close(self) -> None:
        """Remove the scratch file."""
        self._file.close()

    def _encoded(self) -> Iterator[bytes]:
        empty = zlib.compress(bytes(SIDE * SIDE * 4), 9)
        for number in range(self.across * self.down):
            yield self._stored(number) if number in self._places else empty

    def _touched(self, box: Box) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """The number of each tile that `box` touches, the common part in `box` and in the tile."""
        for row in range(box.top // SIDE, -(-box.bottom // SIDE)):
            for column in range(box.left // SIDE, -(-box.right // SIDE)):
                top, bottom = max(row * SIDE, box.top), min((row + 1) * SIDE, box.bottom)
                left, right = max(column * SIDE, box.left), min((column + 1) * SIDE, box.right)
                here = np.s_[top - box.top : bottom - box.top, left - box.left : right - box.left]
                there = np.s_[
                    top - row * SIDE : bottom - row * SIDE,
                    left - column * SIDE : right - column * SIDE,
                ]
                yield row * self.across + column, here, there

    def _tile(self, number: int) -> Ids:
        if number not in self._open:
            self._open[number] = self._loaded(number)
            if len(self._open) > OPEN:
                self._store(*self._open.popitem(last=False))
        self._open.move_to_end(number)
        return self._open[number]

    def _loaded(self, number: int) -> Ids:
        if number not in self._places:
            return np.zeros((SIDE, SIDE), np.uint32)
        content = zlib.decompress(self._stored(number))
        return np.frombuffer(content, "<u4").reshape(SIDE, SIDE).astype(np.uint32)

    def _store(self, number: int, ids: Ids) -> None:
        content = zlib.compress(ids.astype("<u4").tobytes(), LEVEL)
        with writing(Path("the scratch file of the instances"), "free some space on the disk"):
            self._places[number] = self._file.seek(0, 2), len(content)
            self._file.write(content)

    def _stored(self, number: int) -> bytes:
        place, length = self._places[number]
        self._file.seek(place)
        return self._file.read(length)
