"""The EXIF orientation of a photo, read alike from JPEG, PNG and WebP files.

Tag 274 of EXIF 2.32 (CIPA DC-008). PNG keeps EXIF in the chunk eXIf, WebP in the chunk EXIF. TIFF
files need nothing: OpenCV turns them itself, always.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
TAG = 274
JPEG, PNG, RIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"
TIFF = (b"II*\0", b"MM\0*")
EXIF = b"Exif\0\0"


def orientation(content: bytes) -> int:
    """The orientation of an image file, 1 to 8; 1 (upright) if it states none."""
    try:
        return _of_tiff(_exif(content))
    except (struct.error, IndexError):  # damaged metadata; the picture may still be readable
        return UPRIGHT


def upright(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """`picture` (H, W, ...) turned and mirrored as its `orientation` (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def _exif(content: bytes) -> bytes:
    """The EXIF data, which has the structure of a TIFF file; empty without any."""
    if content.startswith(JPEG):
        return _of_jpeg(content)
    if content.startswith(PNG):
        return _chunk(content, 8, b"eXIf", ">")
    if content.startswith(RIFF):
        return _chunk(content, 12, b"EXIF", "<").removeprefix(EXIF)
    return b""


def _of_jpeg(content: bytes) -> bytes:
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = struct.unpack_from(">H", content, at + 2)[0]
        body = content[at + 4 : at + 2 + length]
        if content[at + 1] == 0xE1 and body.startswith(EXIF):
            return body.removeprefix(EXIF)
        at += 2 + length
    return b""


def _chunk(content: bytes, at: int, wanted: bytes, order: str) -> bytes:
    """The body of the chunk `wanted` of a PNG (big-endian) or RIFF (little-endian) file."""
    png = order == ">"
    while at + 8 <= len(content):
        length = struct.unpack_from(order + "I", content, at + (0 if png else 4))[0]
        name = content[at + 4 : at + 8] if png else content[at : at + 4]
        if name == wanted:
            return content[at + 8 : at + 8 + length]
        at += 8 + length + (4 if png else length % 2)  # PNG ends with a CRC, RIFF pads
    return b""


def _of_tiff(data: bytes) -> int:
    if data[:4] not in TIFF:
        return UPRIGHT
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(order + "I", data, 4)[0]
    for entry in range(struct.unpack_from(order + "H", data, at)[0]):
        tag, _, _, value = struct.unpack_from(order + "HHIH", data, at + 2 + 12 * entry)
        if tag == TAG:
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
