"""Masks are read as stored, and turned like their images."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from lanes.errors import BadInput
from lanes.images.orientation import orientation, upright
from lanes.images.read import orientation_of, read_mask, read_picture

IDS = np.arange(24, dtype=np.uint8).reshape(4, 6)
COLOURS = np.dstack([IDS, IDS * 3, IDS * 7])


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values, depth, kind, palette=b"", more=b""):
    """A PNG of `depth` bits written by hand: `kind` 0 grey, 3 palette."""
    rows = [np.unpackbits(row[:, None], axis=1)[:, 8 - depth :].ravel() for row in values]
    packed = b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"PLTE", palette) + chunk(b"tRNS", b"\0") if palette else b"")
        + more
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_png_gives_its_indices_or_its_colours(tmp_path, depth):
    values = IDS % 2**depth if depth < 8 else IDS
    colours = np.random.default_rng(0).integers(0, 256, (2**depth, 3), np.uint8)
    (tmp_path / "p.png").write_bytes(png(values, depth, 3, colours.tobytes()))
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png"), values)
    (tmp_path / "p.png").write_bytes(
        png(values, depth, 3, colours.tobytes()).replace(chunk(b"tRNS", b"\0"), b"")
    )
    shown = read_mask(tmp_path / "p.png", coloured=True)
    np.testing.assert_array_equal(shown[..., ::-1], colours[values])


@pytest.mark.parametrize(("depth", "scale"), [(1, 255), (2, 1), (4, 1)])
def test_grey_of_few_bits(tmp_path, depth, scale):
    values = IDS % 2**depth
    (tmp_path / "g.png").write_bytes(png(values, depth, 0))
    np.testing.assert_array_equal(read_mask(tmp_path / "g.png"), values * scale)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_and_three_equal_channels_and_opaque_alpha(tmp_path, suffix):
    path = tmp_path / f"m.{suffix}"
    opaque = np.full(IDS.shape, 255, np.uint8)
    for stored in (IDS, IDS.astype(np.uint16) + 300, np.dstack([IDS] * 3)):
        assert cv2.imwrite(str(path), stored)
        np.testing.assert_array_equal(read_mask(path), stored if stored.ndim == 2 else IDS)
    assert cv2.imwrite(str(path), np.dstack([IDS, IDS, IDS, opaque]))
    np.testing.assert_array_equal(read_mask(path), IDS)
    assert cv2.imwrite(str(path), COLOURS)
    np.testing.assert_array_equal(read_mask(path), COLOURS)


def test_a_transparent_mask_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), np.dstack([COLOURS, IDS]))
    with pytest.raises(BadInput, match="m.png is partly transparent"):
        read_mask(tmp_path / "m.png")


def exif(value, order):
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHIHH", 274, 3, 1, value, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def turned(suffix, value, order=">"):
    """A lossless or nearly lossless file of COLOURS with an EXIF orientation."""
    pixels = np.kron(COLOURS, np.ones((8, 8, 1), np.uint8))
    options = {"webp": [cv2.IMWRITE_WEBP_QUALITY, 101], "jpg": [cv2.IMWRITE_JPEG_QUALITY, 100]}
    content = cv2.imencode(f".{suffix}", pixels, options.get(suffix, []))[1].tobytes()
    data = exif(value, order)
    if suffix == "jpg":
        body = b"Exif\0\0" + data
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]
    if suffix == "png":
        return content[:33] + chunk(b"eXIf", data) + content[33:]
    body = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + struct.pack("<I", 47)[:3]
    body += struct.pack("<I", 31)[:3] + content[12:]
    body += b"EXIF" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_images_and_masks_of_every_kind_are_turned_alike(tmp_path, suffix, value):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(turned(suffix, value, "<" if value % 2 else ">"))
    assert orientation_of(path) == value
    image, mask = read_picture(path), read_mask(path, coloured=True)
    np.testing.assert_array_equal(image, mask)
    if suffix == "jpg":  # OpenCV reads the EXIF of JPEGs, which checks ours
        np.testing.assert_array_equal(image, cv2.imread(str(path), cv2.IMREAD_COLOR))
    else:
        wide = np.kron(COLOURS, np.ones((8, 8, 1), np.uint8))
        np.testing.assert_array_equal(image, upright(wide, value))


def test_damaged_exif_leaves_a_picture_upright():
    content = turned("jpg", 6)
    at = content.index(b"MM\0*")
    assert orientation(content[: at + 9]) == 1
    assert orientation(content[:at] + b"XX" + content[at + 2 :]) == 1
