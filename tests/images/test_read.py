"""Every kind of picture that laboratories save becomes 8-bit BGR, or an error names the file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes.errors import BadInput
from lanes.images.read import pages, read_picture, to_8_bits

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]])


def save(path, values):
    assert cv2.imwrite(str(path), values)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".webp", ".ppm"])
def test_colours_are_kept(tmp_path, suffix):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    cv2.imwrite(str(tmp_path / f"x{suffix}"), COLOUR, options)
    np.testing.assert_array_equal(read_picture(tmp_path / f"x{suffix}"), COLOUR)


def test_grey_and_one_bit(tmp_path):
    grey = read_picture(save(tmp_path / "x.tif", RAMP))
    np.testing.assert_array_equal(grey, np.dstack([RAMP] * 3))
    bits = [cv2.IMWRITE_PNG_BILEVEL, 1]
    cv2.imwrite(str(tmp_path / "b.png"), (RAMP > 100).astype(np.uint8) * 255, bits)
    assert set(np.unique(read_picture(tmp_path / "b.png"))) == {0, 255}


def test_a_photo_is_turned_upright(tmp_path):
    content = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "x.jpg").write_bytes(content[:2] + segment + content[2:])
    assert read_picture(tmp_path / "x.jpg").shape == (16, 8, 3)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("bits", "brightest"), [(12, 4000), (16, 65535), (10, 1023), (14, 5000)])
def test_16_bits_are_scaled_by_the_cameras_depth(tmp_path, suffix, bits, brightest):
    values = np.linspace(0, brightest, 48).astype(np.uint16).reshape(6, 8)
    image = read_picture(save(tmp_path / f"x{suffix}", values))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], values >> (bits - 8))
    colours = read_picture(save(tmp_path / f"c{suffix}", np.dstack([values, values[::-1], values])))
    np.testing.assert_array_equal(colours[..., 1], values[::-1] >> (bits - 8))


def test_8_bits_in_16_are_unchanged():
    np.testing.assert_array_equal(to_8_bits(RAMP.astype(np.uint16)), RAMP)
    wide = RAMP.astype(np.uint16) * 257
    wide[0, 0] = 65535
    np.testing.assert_array_equal(to_8_bits(wide)[1:], RAMP[1:])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_transparent_pixels_become_white(tmp_path, kind):
    full = np.iinfo(kind).max
    image = np.zeros((6, 8, 4), kind)
    image[..., 3] = full
    image[2:, :, 3] = 0
    image[4:, :, 3] = full // 2
    found = read_picture(save(tmp_path / "x.png", image))
    assert found.shape == (6, 8, 3)
    assert (found[:2] == 0).all()
    assert (found[2:4] == 255).all()
    assert np.abs(found[4:].astype(int) - 128).max() <= 1


def test_an_opaque_alpha_changes_nothing(tmp_path):
    image = np.dstack([COLOUR, np.full((6, 8), 255, np.uint8)])
    np.testing.assert_array_equal(read_picture(save(tmp_path / "x.tif", image)), COLOUR)


def test_of_several_pictures_in_a_file_the_first(tmp_path, capfd):
    assert cv2.imwritemulti(str(tmp_path / "x.tif"), [COLOUR, COLOUR[::-1].copy()])
    assert pages(tmp_path / "x.tif") == 2
    assert pages(save(tmp_path / "y.tif", COLOUR)) == pages(tmp_path / "z.png") == 1
    np.testing.assert_array_equal(read_picture(tmp_path / "x.tif"), COLOUR)
    assert capfd.readouterr().err == ""


def test_unreadable_files_are_named_in_one_line(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    content = cv2.imencode(".tif", np.zeros((200, 200, 3), np.uint8))[1]
    content[: len(content) // 2].tofile(tmp_path / "cut.tif")
    save(tmp_path / "float.tif", COLOUR.astype(np.float32))
    (tmp_path / "folder.png").mkdir()
    for name, message in (
        ("text.png", "is damaged"),
        ("cut.tif", "is damaged"),
        ("empty.png", "is empty"),
        ("float.tif", "holds float32 pixels; wanted 8 or 16 bits"),
        ("folder.png", "cannot be read: Is a directory"),
        ("missing.png", "cannot be read: No such file"),
    ):
        with pytest.raises(BadInput, match=message) as error:
            read_picture(tmp_path / name)
        assert name in str(error.value)
