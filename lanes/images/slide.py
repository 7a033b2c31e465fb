"""A slide: a TIFF picture of any size, of which parts are read as 8-bit BGR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from lanes.errors import BadInput, MissingDependency
from lanes.images.orientation import UPRIGHT, upright
from lanes.images.read import PAGED, bits_of, opaque, pages, read_picture, to_8_bits
from lanes.images.tiff import BadTiff, Box, Samples, Tiff
from lanes.types import Image, Size

HELD = 50
"""Megapixels of the largest TIFF picture that is read whole."""
SAMPLED = 512
"""Side of the parts whose brightest pixel sets the depth of 16-bit slides."""
LATTICE = 4
"""Such parts a side."""


@dataclass(frozen=True)
class Picture:
    """A picture that was read whole; `damage` says what of it could not be, in words.

    `pages` is the number of pictures in its file.
    """

    image: Image
    damage: str = ""
    pages: int = 1

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.image.shape[0], self.image.shape[1]


def open_picture(
    path: Path, page: int | None = None, channels: Sequence[str] | None = None
) -> Picture | Slide:
    """The picture of a file, or a TIFF beyond `HELD` as a slide, which the caller must close.

    `page` (from 1) and `channels` (see `Slide`) are for TIFF files.

    Raises:
        BadInput: the file cannot be read, or has no such page or channel.
        MissingDependency: a TIFF needs `tifffile`, or its compression a codec.
    """
    chosen = page is not None or channels is not None
    if path.suffix.lower() not in PAGED:
        if chosen:
            raise BadInput(f"{path}: --page and --channels are for TIFF files; leave them out")
        return Picture(read_picture(path))
    try:
        slide = Slide(path, page, channels)
    except (BadTiff, MissingDependency):
        if chosen:
            raise
        return Picture(read_picture(path), pages=pages(path))
    if slide.megapixels > HELD:
        return slide
    with slide:
        return _whole(slide, chosen)


def _whole(slide: Slide, chosen: bool) -> Picture:
    """Read by OpenCV, which knows more codecs, unless a tile may be damaged or more is needed."""
    if not chosen and slide.is_plain:
        try:
            return Picture(read_picture(slide.path), pages=slide.pages)
        except BadInput:
            pass  # read what can be read
    try:
        image = slide.whole()
    except MissingDependency:
        if chosen or len(slide.planes) > 1:
            raise
        return Picture(read_picture(slide.path), pages=slide.pages)
    if slide.is_lost:
        raise BadInput(f"{slide.path} is damaged: no part of it can be read; save it again")
    return Picture(image, slide.damage, 1 if chosen or len(slide.planes) > 1 else slide.pages)


class Slide:
    """A context manager; `read` gives parts of a slide of `size`.

    16-bit slides are scaled by the depth of their sampled parts, see
    `lanes.images.read.read_picture`.
    """

    def __init__(
        self, path: Path, page: int | None = None, channels: Sequence[str] | None = None
    ) -> None:
        """Open `page` (from 1) of `path`; `channels` names one for grey, or red, green, blue.

        Raises:
            BadInput: damaged, no such page or channel, or channels that are no colours.
            MissingDependency: `tifffile`, or a codec, is not installed.
        """
        self.path = path
        self._tiff = Tiff(path, page)
        try:
            self.planes = self._tiff.planes
            self.size: Size = self.planes[0].size
            self.pages = self._tiff.pictures
            self._order = self._ordered(channels)
            self.depth = bits_of(self._brightest()) if self.planes[0].dtype == np.uint16 else 8
        except BaseException:
            self.close()
            raise

    @property
    def megapixels(self) -> float:
        """The number of pixels, in millions."""
        return self.size[0] * self.size[1] / 1e6

    @property
    def is_plain(self) -> bool:
        """Whether it is one picture in strips, which OpenCV reads as well."""
        return len(self.planes) == 1 and not self.planes[0].page.is_tiled

    @property
    def is_lost(self) -> bool:
        """Whether every tile that was looked at is damaged."""
        return len(self.planes[0].damaged) == self.planes[0].parts

    @property
    def damage(self) -> str:
        """What could not be read so far, in words; empty if nothing."""
        plane = self.planes[0]
        damaged = set().union(*(one.damaged for one in self.planes))
        if not damaged:
            return ""
        return f"{len(damaged)} of {plane.parts} tiles damaged, left blank"

    def read(self, box: Box) -> Image:
        """The part `box` (h, w, 3) as BGR; parts that cannot be read are blank.

        Raises:
            MissingDependency: the compression needs a library.
        """
        parts = [plane.read(box) for plane in self.planes]
        return self._bgr(np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0])

    def whole(self) -> Image:
        """The whole picture, upright: for pictures that fit into memory."""
        tag = self.planes[0].page.tags.get("Orientation")
        turned = UPRIGHT if tag is None else int(tag.value)
        return upright(self.read(Box(0, 0, *self.size)), turned)

    def spots(self, side: int, count: int) -> list[Box]:
        """About `count` parts of `side` pixels: half on a lattice, half where most is stored."""
        steps = max(round((count / 2) ** 0.5), 1)
        corners = [
            tuple(round((length - side) * (n + 0.5) / steps) for n, length in pair)
            for pair in (
                ((row, self.size[0]), (column, self.size[1]))
                for row in range(steps)
                for column in range(steps)
            )
        ]
        corners += [
            ((box.top + box.bottom - side) // 2, (box.left + box.right - side) // 2)
            for box in self.planes[0].fullest(count // 2)
        ]
        return list(dict.fromkeys(self._fitted(top, left, side) for top, left in corners))

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _fitted(self, top: int, left: int, side: int) -> Box:
        height, width = (min(side, length) for length in self.size)
        top = min(max(top, 0), self.size[0] - height)
        left = min(max(left, 0), self.size[1] - width)
        return Box(top, left, top + height, left + width)

    def _ordered(self, channels: Sequence[str] | None) -> list[int] | None:
        """The samples that become blue, green, red (or grey); None: as the file says."""
        names = self._tiff.names
        if channels is None:
            if len(self.planes) == 1:
                return None
            if len(names) not in (1, 3):
                raise BadInput(
                    f"{self.path} has {len(names)} channels ({', '.join(names)}); choose one, or "
                    f"three for red, green, blue: --channels {names[0]}"
                )
            return list(range(len(names)))[::-1]
        if len(channels) not in (1, 3):
            raise BadInput(
                f"--channels names {len(channels)}; wanted one, or three for red, green, blue"
            )
        return [self._index(name) for name in channels][::-1]

    def _index(self, name: str) -> int:
        names = self._tiff.names
        if name in names:
            return names.index(name)
        if name.isdecimal() and 1 <= int(name) <= len(names):
            return int(name) - 1
        raise BadInput(f"{self.path} has no channel {name!r}; it has {', '.join(names)}")

    def _brightest(self) -> int:
        brightest = 0
        for box in self.spots(SAMPLED, 2 * LATTICE**2):
            for plane in self.planes:
                stored = plane.read(box)
                # Blank parts are as bright as can be.
                seen = stored[stored < np.iinfo(stored.dtype).max]
                brightest = max(brightest, int(seen.max(initial=0)))
        return brightest

    def _bgr(self, stored: Samples) -> Image:
        """BGR of samples (h, w, n) in the file's order."""
        kind = self.planes[0].photometric
        if kind == "MINISWHITE":
            stored = np.asarray(np.iinfo(stored.dtype).max - stored, stored.dtype)
        if self._order is not None:
            stored = stored[..., self._order]
        elif kind == "SEPARATED":
            stored = _of_cmyk(stored)
        elif kind == "PALETTE":
            stored = self._coloured(stored)
        elif stored.shape[2] >= 3:
            stored = _bgr_first(stored)
        else:
            stored = stored[..., :1]
        if stored.dtype == np.uint16 and self.depth < 16:
            stored = np.minimum(stored, (1 << self.depth) - 1).astype(np.uint16)
        return opaque(np.ascontiguousarray(stored), self.depth)

    def _coloured(self, stored: Samples) -> Samples:
        """BGR of palette indices."""
        table = np.asarray(self.planes[0].page.colormap)  # (3, n), 16 bits
        return to_8_bits(table.T[:, ::-1][stored[..., 0]].astype(np.uint16), 16)


def _bgr_first(stored: Samples) -> Samples:
    """BGR or BGRA of RGB or RGBA."""
    if stored.shape[2] == 3:
        return np.asarray(cv2.cvtColor(stored, cv2.COLOR_RGB2BGR), stored.dtype)
    return np.asarray(cv2.cvtColor(stored[..., :4], cv2.COLOR_RGBA2BGRA), stored.dtype)


def _of_cmyk(stored: Samples) -> Samples:
    """BGR of inks, without a colour profile."""
    most = int(np.iinfo(stored.dtype).max)
    light = most - stored[..., :4].astype(np.uint32)
    return (light[..., 2::-1] * light[..., 3:] // most).astype(stored.dtype)
