"""Parts of a TIFF picture that is too large to be held whole, read through `tifffile`.

Tiled, in strips, pyramidal (the full resolution is read), BigTIFF, OME-TIFF; see TIFF 6.0 (Adobe
1992) and https://ome-model.readthedocs.io. A damaged tile is left blank and counted.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput, MissingDependency
from lanes.plugins import missing
from lanes.types import Size

Samples: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""(H, W, samples a pixel), 8 or 16 bits."""
KEPT = 256e6
"""Bytes of decoded tiles that are kept, because parts overlap."""
LONGEST = 1e9
"""Bytes of the largest strip or tile that is decoded in one piece."""
CODEC = "pip install imagecodecs, or save it again with Deflate or no compression"


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels; `bottom` and `right` are not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left


class BadTiff(BadInput):
    """Not a TIFF file, or damaged."""


class TiffPlane:
    """One picture (IFD) of a TIFF file: `read` gives the samples of a part.

    `size`, `samples` a pixel, `dtype`, `photometric` by name; `parts` are the tiles or strips,
    `damaged` the numbers of those that could not be read.
    """

    def __init__(self, path: Path, page: Any) -> None:
        """Take `page` of an open `tifffile.TiffFile`; raises `BadInput` for odd samples."""
        self.path, self.page = path, page.aspage()  # further pages are light `TiffFrame`s
        page = self.page
        self.size: Size = page.imagelength, page.imagewidth
        self.samples: int = page.samplesperpixel
        self.dtype = np.dtype(page.dtype or np.void)
        self.photometric = str(getattr(page.photometric, "name", page.photometric))
        if self.dtype not in (np.uint8, np.uint16) or page.imagedepth != 1:
            raise BadInput(f"{path} holds {self.dtype} pixels; wanted 8 or 16 bits: convert it")
        self.tile: Size = (page.tilelength, page.tilewidth) if page.is_tiled else self._strip()
        self.across = math.ceil(self.size[1] / self.tile[1])
        self.parts = math.ceil(self.size[0] / self.tile[0]) * self.across
        self.damaged: set[int] = set()
        self._kept: OrderedDict[int, Samples | None] = OrderedDict()
        piece = math.prod(self.tile) * self.dtype.itemsize * self.samples
        self._room = max(int(KEPT / max(piece, 1)), 1)
        if piece > LONGEST and not self._plain:
            raise BadInput(
                f"{path} stores {piece / 1e9:.1f} GB in one piece; wanted tiles: save it as a "
                "tiled TIFF"
            )

    def _strip(self) -> Size:
        return min(self.page.rowsperstrip or self.size[0], self.size[0]), self.size[1]

    @property
    def _plain(self) -> bool:
        """Whether the samples lie in the file row by row."""
        page = self.page
        whole = not page.is_tiled and page.is_contiguous and page.compression == 1
        return bool(
            whole and page.planarconfig == 1 and page.predictor == 1 and page.fillorder == 1
        )

    def read(self, box: Box) -> Samples:
        """The samples (h, w, samples) of `box`, which lies inside the picture.

        Parts that are damaged, or not stored, get the typical colour of the rest.
        """
        if self._plain:
            return self._rows(box)
        height, width = box.size
        found = np.full((height, width, self.samples), self._blank, self.dtype)
        seen = np.zeros((height, width), bool)
        for number, row, column in self._touched(box):
            part = self._part(number)
            if part is not None:
                _copy(part, (row, column), found, box)
                _copy(np.ones(part.shape[:2], bool), (row, column), seen, box)
        if seen.any() and not seen.all():
            # An edge of another colour would be taken for a cell.
            found[~seen] = np.median(found[seen][::16], axis=0).astype(self.dtype)
        return found

    def fullest(self, count: int) -> list[Box]:
        """Up to `count` tiles that take the most bytes: where the picture has most to show."""
        sizes = np.asarray(self.page.databytecounts[: self.parts])
        if len(sizes) < 2 or sizes.min() == sizes.max():
            return []
        return [self._place(int(k)) for k in np.argsort(-sizes, kind="stable")[:count] if sizes[k]]

    @property
    def _blank(self) -> int:
        """The value of an empty slide, for what is not stored or damaged."""
        bright = self.photometric not in ("MINISWHITE", "SEPARATED")
        return int(np.iinfo(self.dtype).max) if bright else 0

    def _place(self, number: int) -> Box:
        top, left = (
            n * side for n, side in zip(divmod(number, self.across), self.tile, strict=True)
        )
        bottom, right = (
            min(top + self.tile[0], self.size[0]),
            min(left + self.tile[1], self.size[1]),
        )
        return Box(top, left, bottom, right)

    def _touched(self, box: Box) -> Iterator[tuple[int, int, int]]:
        """Number, top and left of the tiles that `box` touches."""
        height, width = self.tile
        for row in range(box.top // height, -(-box.bottom // height)):
            for column in range(box.left // width, -(-box.right // width)):
                yield row * self.across + column, row * height, column * width

    def _rows(self, box: Box) -> Samples:
        height, width = box.size
        found = np.empty((height, width, self.samples), self.dtype)
        pixel = self.samples * self.dtype.itemsize
        order = self.dtype.newbyteorder(self.page.parent.byteorder)
        file = self.page.parent.filehandle
        for row in range(height):
            at = (box.top + row) * self.size[1] + box.left
            file.seek(self.page.dataoffsets[0] + at * pixel)
            line = file.read(width * pixel)
            if len(line) < width * pixel:  # the file is cut off
                self.damaged.add((box.top + row) // self.tile[0])
                found[row] = self._blank
            else:
                found[row] = np.frombuffer(line, order).reshape(width, self.samples)
        return found

    def _part(self, number: int) -> Samples | None:
        """A decoded tile (h, w, samples); None if it is empty or damaged."""
        if number not in self._kept:
            self._kept[number] = self._decoded(number)
            if len(self._kept) > self._room:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

    def _decoded(self, number: int) -> Samples | None:
        planes = self.samples if self.page.planarconfig == 2 else 1
        parts = [self._stored(number + plane * self.parts) for plane in range(planes)]
        stored = [part for part in parts if part is not None]
        if not stored or any(part is None for part in parts):
            return None
        return np.concatenate(stored, axis=-1) if planes > 1 else stored[0]

    def _stored(self, index: int) -> Samples | None:
        page, file = self.page, self.page.parent.filehandle
        try:
            offset, count = page.dataoffsets[index], page.databytecounts[index]
            if not count:
                return None
            file.seek(offset)
            content = file.read(count)
            if len(content) < count:
                raise ValueError("the file is cut off")
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
            found = page.decode(content, index, **(tables if page.compression in (6, 7) else {}))
            return np.asarray(found[0])[0]  # type: ignore[no-any-return]
        except Exception as error:  # each codec has errors of its own
            if "imagecodecs" in str(error):
                raise MissingDependency(
                    f"{self.path} is compressed with {page.compression.name}, which needs "
                    f"imagecodecs: {CODEC}"
                ) from error
            self.damaged.add(index % self.parts)
            return None


class Tiff:
    """An open TIFF file: `planes` are the pictures of one page, joined as channels.

    `names` are the channels' names, of OME-XML or by number. `pages` is the number of pages.
    """

    def __init__(self, path: Path, page: int | None = None) -> None:
        """Open `page` (from 1) of `path`; the first page, or all channels of an OME-TIFF.

        Raises:
            BadTiff: not a TIFF file, or damaged.
            BadInput: no such page, or no 8 or 16 bits.
            MissingDependency: `tifffile` is not installed.
        """
        tifffile = library(path)
        self.path = path
        try:
            self.file = tifffile.TiffFile(path)
        except Exception as error:  # tifffile raises many kinds for damaged files
            raise BadTiff(f"{path} is damaged, or no TIFF file ({error}): save it again") from error
        try:
            self.planes, self.names = self._chosen(page)
        except BaseException:
            self.file.close()
            raise

    def _chosen(self, page: int | None) -> tuple[list[TiffPlane], list[str]]:
        try:
            self.pages = len(self.file.pages)
            series = self.file.series[0] if self.file.is_ome and page is None else None
            if page is not None and not 1 <= page <= self.pages:
                raise BadInput(f"{self.path} has {self.pages} pages; --page {page} is none of them")
            chosen = [self.file.pages[(page or 1) - 1]]
            if series is not None and "C" in series.axes:
                first = series.levels[0]
                chosen = list(first.pages)[: first.shape[first.axes.index("C")]]
            planes = [TiffPlane(self.path, one) for one in chosen]
        except BadInput:
            raise
        except Exception as error:  # as above
            raise BadTiff(f"{self.path} is damaged ({error}): save it again") from error
        if any(plane.size != planes[0].size for plane in planes):
            raise BadInput(f"the channels of {self.path} differ in size: choose one with --page")
        return planes, self._names(len(planes), planes[0].samples)

    def _names(self, planes: int, samples: int) -> list[str]:
        found = _ome_names(self.file.ome_metadata) if self.file.is_ome else []
        count = planes * samples
        return found if len(found) == count else [str(k + 1) for k in range(count)]

    @property
    def pictures(self) -> int:
        """The number of pictures in the file, without reduced copies; joined channels are one."""
        try:
            count = sum(len(one.levels[0].pages) for one in self.file.series)
        except Exception:  # damaged beyond the first page
            return 1
        return max(count - len(self.planes) + 1, 1)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def library(path: Path) -> Any:
    """The module `tifffile`; raises `MissingDependency` about `path`."""
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise missing(f"{path}: a large TIFF", "tifffile") from error
    # Our messages are enough.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile


def _ome_names(xml: str | None) -> list[str]:
    """The names of the channels in OME-XML, of the first picture."""
    from xml.etree import ElementTree

    try:
        pixels = next(
            e for e in ElementTree.fromstring(xml or "").iter() if e.tag.endswith("Pixels")
        )
    except (ElementTree.ParseError, StopIteration):
        return []
    channels = [element for element in pixels if element.tag.endswith("Channel")]
    return [one.get("Name") or str(k + 1) for k, one in enumerate(channels)]


def _copy(part: NDArray[Any], place: tuple[int, int], found: NDArray[Any], box: Box) -> None:
    """Copy the common pixels of `part`, whose corner is at `place`, into `found` of `box`."""
    top, left = max(place[0], box.top), max(place[1], box.left)
    bottom = min(place[0] + part.shape[0], box.bottom)
    right = min(place[1] + part.shape[1], box.right)
    there = np.s_[top - box.top : bottom - box.top, left - box.left : right - box.left]
    here = np.s_[top - place[0] : bottom - place[0], left - place[1] : right - place[1]]
    found[there] = part[here]
