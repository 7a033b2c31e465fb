"""Small pictures that claim gigabytes of pixels."""

from __future__ import annotations

import struct
import zlib


def png_bomb(path, side=30_000):
    """Write a PNG of 100 KB with `side` x `side` pixels of one bit; returns its path."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(kind + content)))
    return path


def jpeg_bomb(side=30_000):
    """The header of a JPEG of `side` x `side` pixels; its picture is missing."""
    frame = struct.pack(">BHHB", 8, side, side, 3) + bytes(9)
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"
