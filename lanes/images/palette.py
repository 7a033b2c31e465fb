"""The stored indices of a palette PNG, which OpenCV would turn into colours.

The file is rewritten as a grey one: the header's colour type changes and the palette goes (PNG
specification, third edition, 11.2). Decoders scale grey of fewer than 8 bits to 0..255, so the
decoded values are divided by that scale.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE = 0, 3
DEPTH, COLOUR_TYPE = 8, 9
"""Positions in the header's body."""
OF_PALETTE = (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"iCCP", b"gAMA")


def grey_of_palette(content: bytes) -> tuple[bytes, int]:
    """A PNG file whose decoded values, divided by the second result, are the stored ones.

    Files of other kinds are returned unchanged with 1; so are grey ones of 1 bit.
    """
    if not content.startswith(SIGNATURE) or len(content) < 33:
        return content, 1
    depth, kind = content[16 + DEPTH], content[16 + COLOUR_TYPE]
    if kind == GREY and depth in (2, 4):
        return content, 255 // (2**depth - 1)
    if kind != PALETTE:
        return content, 1
    return SIGNATURE + b"".join(_grey_chunks(content)), 255 // (2**depth - 1)


def _grey_chunks(content: bytes) -> Iterator[bytes]:
    at = len(SIGNATURE)
    while at + 12 <= len(content):
        length = struct.unpack_from(">I", content, at)[0]
        name, chunk = content[at + 4 : at + 8], content[at : at + 12 + length]
        if name == b"IHDR":
            body = name + chunk[8 : 8 + COLOUR_TYPE] + bytes([GREY]) + chunk[9 + COLOUR_TYPE : -4]
            chunk = chunk[:4] + body + struct.pack(">I", zlib.crc32(body))
        if name not in OF_PALETTE:
            yield chunk
        at += 12 + length
