from __future__ import annotations

from typing import get_args

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from lanes.colour import (
    Matrix,
    YuvColour,
    default_colour,
    empty_planes,
    from_bgr,
    to_bgr,
    to_bgr_444,
    yuv_of,
)

COLOURS = [YuvColour(matrix, full) for matrix in get_args(Matrix) for full in (False, True)]
SIZES = [(48, 64), (47, 64), (48, 63), (47, 63), (1, 1), (2, 1), (1, 2), (300, 6), (129, 5)]
SWSCALE = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
}
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


@pytest.fixture
def image():
    """Colourful, in squares of 2x2 pixels, which lose nothing by 4:2:0."""
    squares = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return np.repeat(np.repeat(squares, 2, axis=0), 2, axis=1)


def bgr_by_formula(planes, colour):
    """R' = Y' + 2(1 - Kr) Cr and so on, in floating point, as ITU-R writes it."""
    height, width = planes[0].shape
    u, v = (np.repeat(np.repeat(p, 2, 0), 2, 1)[:height, :width] for p in planes[1:])
    if colour.full_range:
        luma, cb, cr = planes[0] / 255, (u - 128.0) / 255, (v - 128.0) / 255
    else:
        luma, cb, cr = (planes[0] - 16.0) / 219, (u - 128.0) / 224, (v - 128.0) / 224
    kr, kb = KR_KB[colour.matrix]
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(255 * np.stack([blue, green, red], -1), 0, 255)


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_to_bgr_is_the_formula(colour, size):
    rng = np.random.default_rng(1)
    planes = empty_planes(size)
    for plane in planes:
        plane[:] = rng.integers(0, 256, plane.shape)
    bgr = to_bgr(planes, colour)
    assert bgr.shape == (*size, 3)
    assert bgr.dtype == np.uint8
    assert abs(bgr - bgr_by_formula(planes, colour)).max() <= 1


@pytest.mark.parametrize("colour", COLOURS, ids=str)
def test_planes_of_one_size_are_converted_alike(colour, image):
    y, u, v = from_bgr(image, colour)
    wide = (y, *(plane.repeat(2, 0).repeat(2, 1) for plane in (u, v)))
    np.testing.assert_array_equal(to_bgr_444(wide, colour), to_bgr((y, u, v), colour))


@pytest.mark.parametrize("colour", COLOURS, ids=str)
def test_to_bgr_is_swscale(colour, image):
    planes = from_bgr(image, colour)
    i420 = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, image.shape[1])
    frame = av.VideoFrame.from_ndarray(i420, "yuv420p")
    theirs = frame.reformat(
        format="bgr24",
        src_colorspace=SWSCALE[colour.matrix],
        src_color_range=ColorRange.JPEG if colour.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    ).to_ndarray()
    assert abs(to_bgr(planes, colour).astype(int) - theirs).max() <= 3


@pytest.mark.parametrize("colour", COLOURS, ids=str)
def test_there_and_back(colour, image):
    assert abs(to_bgr(from_bgr(image, colour), colour).astype(int) - image).max() <= 3


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_from_bgr_of_one_colour_is_yuv_of_it(colour, size):
    bgr = (200, 30, 90)
    planes = from_bgr(np.full((*size, 3), bgr, np.uint8), colour)
    assert [plane.shape for plane in planes] == [plane.shape for plane in empty_planes(size)]
    for plane, value in zip(planes, yuv_of(bgr, colour), strict=True):
        assert abs(plane.astype(int) - value).max() <= 1


def test_yuv_of_known_colours():
    limited, full = YuvColour("bt709", False), YuvColour("bt601", True)
    assert yuv_of((0, 0, 0), limited) == (16, 128, 128)
    assert yuv_of((255, 255, 255), limited) == (235, 128, 128)
    assert yuv_of((0, 0, 255), limited) == (63, 102, 240)  # red, as colour bars have it
    assert yuv_of((0, 255, 0), limited) == (173, 42, 26)
    assert yuv_of((255, 0, 0), limited) == (32, 240, 118)
    assert yuv_of((255, 255, 255), full) == (255, 128, 128)
    assert yuv_of((0, 0, 255), full) == (76, 85, 255)  # JPEG's red


def test_chroma_is_the_mean_of_its_pixels():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = (0, 0, 255)
    colour = YuvColour("bt709", False)
    black, red = yuv_of((0, 0, 0), colour), yuv_of((0, 0, 255), colour)
    _, _, v = from_bgr(image, colour)
    assert v[0, 0] == pytest.approx((black[2] + red[2]) / 2, abs=1)


def test_default_colour_turns_at_720_lines():
    assert default_colour(719) == YuvColour("bt601", False)
    assert default_colour(720) == YuvColour("bt709", False)
