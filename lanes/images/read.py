"""Read pictures as laboratories save them: 8 or 16 bits, grey or colour, with alpha, as TIFF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.types import Image

DEPTHS = (8, 10, 12, 14, 16)
"""Bit depths of cameras."""
SLIDE = 255
"""The background behind transparent pixels: white."""
PAGED = (".tif", ".tiff")
PHOTOS = (".jpg", ".jpeg")


def read_picture(path: Path) -> Image:
    """The (first) picture of a file as 8-bit BGR (H, W, 3).

    16-bit pictures are scaled by the least depth that holds the brightest pixel (8, 10, 12, 14 or
    16 bits: pictures of a 12-bit camera keep their brightness). Black stays black and colours keep
    their balance. Transparent pixels become white; a photo's EXIF orientation is applied.

    Raises:
        BadInput: the file cannot be read, or holds other numbers, such as floats.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    flags = cv2.IMREAD_COLOR if path.suffix.lower() in PHOTOS else cv2.IMREAD_UNCHANGED
    with _silent():
        try:
            stored = cv2.imdecode(content, flags) if content.size else None
        except cv2.error:
            stored = None
    if stored is None:
        what = "is damaged, or not an image that OpenCV can read" if content.size else "is empty"
        raise BadInput(f"{path} {what}: if an image viewer can open it, save it again")
    if stored.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"{path} holds {stored.dtype} pixels; wanted 8 or 16 bits: convert it")
    return _opaque(np.asarray(stored))


def pages(path: Path) -> int:
    """The number of pictures in a file; 1 for formats that hold only one."""
    if path.suffix.lower() not in PAGED:
        return 1
    with _silent():
        return int(cv2.imcount(str(path), cv2.IMREAD_UNCHANGED))


def to_8_bits(values: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint8]:
    """Scale `values` to 8 bits; see `read_picture`."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    brightest = int(values.max(initial=0))
    depth = next(bits for bits in DEPTHS if brightest < 1 << bits)
    return (values >> (depth - DEPTHS[0])).astype(np.uint8)


def _opaque(stored: NDArray[Any]) -> Image:
    """Convert to 8-bit BGR, with transparent pixels on white."""
    if stored.ndim == 2:
        return np.asarray(cv2.cvtColor(to_8_bits(stored), cv2.COLOR_GRAY2BGR), np.uint8)
    colours = to_8_bits(stored[..., :3])
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
