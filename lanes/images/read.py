"""Read pictures and masks as they are saved: 8 or 16 bits, grey or colour, with alpha, as TIFF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.images.orientation import orientation, upright
from lanes.images.palette import SIGNATURE, grey_of_palette
from lanes.types import Image

DEPTHS = (8, 10, 12, 14, 16)
"""Bit depths of cameras."""
SLIDE = 255
"""The background behind transparent pixels: white."""
CURE = (
    "wanted at most 200 megapixels: cut it into parts, or set OPENCV_IO_MAX_IMAGE_PIXELS if this "
    "machine has the memory; lanes image reads a tiled TIFF of any size"
)
PAGED = (".tif", ".tiff")


def read_picture(path: Path, depth: int | None = None) -> Image:
    """The (first) picture of a file as 8-bit BGR (H, W, 3), upright.

    16-bit pictures are scaled by their `depth` in bits; None: the least that holds the brightest
    pixel (8, 10, 12, 14 or 16: pictures of a 12-bit camera keep their brightness). Black stays
    black and colours keep their balance. Transparent pixels become white; a photo's EXIF
    orientation is applied.

    Raises:
        BadInput: the file cannot be read, or holds other numbers, such as floats.
    """
    return opaque(_decoded(path, _content(path)), depth)


def read_mask(path: Path, coloured: bool = False) -> NDArray[np.unsignedinteger[Any]]:
    """A label image as stored, 8 or 16 bits, upright: ids (H, W), or BGR colours (H, W, 3).

    Three equal channels count as one. A palette PNG gives its indices, or with `coloured` the
    palette's colours. Grey PNGs of 2 and 4 bits give their values; those of 1 bit 0 and 255.

    Raises:
        BadInput: the file cannot be read, or is partly transparent.
    """
    content = _content(path)
    stored = _decoded(path, content) if coloured else _indices(path, content)
    if stored.ndim == 3 and stored.shape[2] == 4:
        if (stored[..., 3] != np.iinfo(stored.dtype).max).any():
            raise BadInput(f"{path} is partly transparent; wanted an opaque mask: remove its alpha")
        stored = stored[..., :3]
    grey = stored.ndim == 3 and not coloured and (stored == stored[..., :1]).all()
    return np.ascontiguousarray(stored[..., 0] if grey else stored)


def orientation_of(path: Path) -> int:
    """The EXIF orientation that `read_picture` applies, 1 (upright) to 8; raises `BadInput`."""
    return orientation(_content(path).tobytes())


def _content(path: Path) -> NDArray[np.uint8]:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def _decoded(path: Path, content: NDArray[np.uint8]) -> NDArray[Any]:
    """The upright picture with the channels of the file."""
    with _silent():
        try:
            stored = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
        except cv2.error as error:
            if "MAX_IMAGE_PIXELS" in str(error):
                raise BadInput(f"{path} has too many pixels{_stated(content)}; {CURE}") from error
            stored = None
    if stored is None:
        if not content.size:
            raise BadInput(f"{path} is empty: copy it again")
        raise BadInput(
            f"{path} is damaged, or not an image that OpenCV can read: if an image viewer can open "
            "it, save it again"
        )
    if stored.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"{path} holds {stored.dtype} pixels; wanted 8 or 16 bits: convert it")
    return upright(np.asarray(stored), orientation(content.tobytes()))


def _stated(content: NDArray[np.uint8]) -> str:
    """The size that the header of a PNG states, in words; empty for other files."""
    head = content[:24].tobytes()
    if not head.startswith(SIGNATURE):
        return ""
    width, height = struct.unpack(">II", head[16:])
    return f": {width} x {height}"


def _indices(path: Path, content: NDArray[np.uint8]) -> NDArray[Any]:
    """The picture, but the stored values of a palette PNG or of a grey PNG of 2 or 4 bits."""
    plain, scale = grey_of_palette(content.tobytes())
    stored = _decoded(path, np.frombuffer(plain, np.uint8))
    return stored // scale if scale > 1 else stored


def pages(path: Path) -> int:
    """The number of pictures in a file; 1 for formats that hold only one."""
    if path.suffix.lower() not in PAGED:
        return 1
    with _silent():
        return int(cv2.imcount(str(path), cv2.IMREAD_UNCHANGED))


def to_8_bits(
    values: NDArray[np.unsignedinteger[Any]], depth: int | None = None
) -> NDArray[np.uint8]:
    """Scale `values` to 8 bits; see `read_picture`."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    depth = bits_of(int(values.max(initial=0))) if depth is None else depth
    return np.asarray(np.minimum(values >> (depth - DEPTHS[0]), 255), np.uint8)


def bits_of(brightest: int) -> int:
    """The least of `DEPTHS` that holds the value `brightest`."""
    return next(bits for bits in DEPTHS if brightest < 1 << bits)


def opaque(stored: NDArray[Any], depth: int | None = None) -> Image:
    """`stored` (H, W) or (H, W, 1, 3 or 4) as 8-bit BGR, with transparent pixels on white."""
    if stored.ndim == 2 or stored.shape[2] == 1:
        return np.asarray(cv2.cvtColor(to_8_bits(stored, depth), cv2.COLOR_GRAY2BGR), np.uint8)
    colours = to_8_bits(stored[..., :3], depth)
    if stored.shape[2] < 4:
        return np.ascontiguousarray(colours)
    alpha = stored[..., 3:] / np.float32(np.iinfo(stored.dtype).max)
    if (alpha == 1).all():
        return np.ascontiguousarray(colours)
    return np.rint(colours * alpha + SLIDE * (1 - alpha)).astype(np.uint8)


@contextmanager
def _silent() -> Iterator[None]:
    """Silence OpenCV's own messages about unreadable files; ours are enough."""
    log: Any = getattr(cv2.utils, "logging", None)
    if log is None:
        yield
        return
    before = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)
