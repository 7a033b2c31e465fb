"""The one resize: images to the network's input, labels to any size."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lanes import segmenter
from lanes.cells.shapes import shapes_of
from lanes.colour import YuvColour, from_bgr
from lanes.images.resize import (
    Resize,
    resize_frame,
    resize_image,
    resize_labels,
    resize_scores,
    resize_smoothly,
)
from lanes.synthetic.road import demo_scene, render
from lanes.types import Frame


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (720, 1280), (361, 639), (8, 2000), (2000, 8), (16, 24)])
def test_image_gets_the_size_asked_for(size):
    image = resize_image(noise(size), Resize((32, 48)))
    assert image.shape == (32, 48, 3)
    assert image.dtype == np.uint8


def test_image_of_that_size_is_returned_as_it_is():
    image = noise((32, 48))
    assert resize_image(image, Resize((32, 48))) is image


def test_flat_image_stays_flat():
    image = np.full((333, 777, 3), (7, 100, 250), np.uint8)
    np.testing.assert_array_equal(resize_image(image, Resize((32, 48))), image[:32, :48])


@pytest.mark.parametrize("ratio", [2, 8])
def test_smaller_image_is_made_of_means(ratio):
    # Half black, half white in the finest pattern: without means it would alias to either.
    image = np.indices((32 * ratio, 48 * ratio)).sum(0) % 2 * np.uint8(255)
    image = np.repeat(image[..., None], 3, -1).astype(np.uint8)
    small = resize_image(image, Resize((32, 48)))
    assert np.abs(small.astype(int) - 128).max() <= 1


def test_image_is_enlarged_linearly_between_pixel_centres():
    image = np.zeros((1, 2, 3), np.uint8)
    image[:, 1] = 100
    row = resize_image(image, Resize((1, 4)))[0, :, 0]
    np.testing.assert_array_equal(row, [0, 25, 75, 100])


def test_array_that_is_not_contiguous():
    image = noise((64, 96))[:, ::-1]
    expected = resize_image(np.ascontiguousarray(image), Resize((32, 48)))
    np.testing.assert_array_equal(resize_image(image, Resize((32, 48))), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(7, 5), (100, 333), (64, 96)])
def test_no_id_is_invented(dtype, size):
    labels = np.random.default_rng(1).choice([0, 2, 255], (32, 48)).astype(dtype)
    resized = resize_labels(labels, size)
    assert resized.shape == size
    assert resized.dtype == dtype
    assert set(np.unique(resized)) <= {0, 2, 255}


def test_enlarged_labels_are_blocks():
    labels = np.array([[0, 1], [2, 0]], np.uint8)
    blocks = labels.repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(resize_labels(labels, (6, 6)), blocks)
    np.testing.assert_array_equal(resize_labels(blocks, (2, 2)), labels)


def test_labels_of_that_size_are_returned_as_they_are():
    labels = np.zeros((4, 5), np.uint8)
    assert resize_labels(labels, (4, 5)) is labels


COLOURS = [YuvColour(matrix, full) for matrix in ("bt601", "bt709") for full in (False, True)]
SIZES = [(64, 96), (65, 97), (31, 47), (32, 400), (33, 48), (129, 193), (130, 194), (300, 555)]


def frame_of(image, colour):
    return Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1))


def smooth(size):
    """A colourful picture whose colours stay within BGR after rounding in YUV."""
    coarse = noise((max(size[0] // 20, 2), max(size[1] // 20, 2))) // 2 + 64
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_frame_is_resized_as_its_picture_is(size, colour):
    frame, resize = frame_of(smooth(size), colour), Resize((32, 48))
    found = resize_frame(frame, resize)
    assert "bgr" not in frame.__dict__, "the whole picture need not be converted"
    difference = abs(found.astype(int) - resize_image(frame.bgr, resize))
    assert found.shape == (32, 48, 3)
    if size[0] <= 64 or size[1] <= 96:
        assert not difference.any(), "up to twice the network's size it is the same"
    # Rounding; with odd sizes U and V are up to half a pixel off.
    odd = size[0] % 2 or size[1] % 2
    assert difference.max() <= (10 if odd else 3)
    assert difference.mean() <= 1


def test_frame_that_was_made_of_a_picture_gives_that_picture():
    image = noise((100, 140))
    frame = Frame(from_bgr(image, COLOURS[0]), COLOURS[0], 0, 0, Fraction(1), image=image)
    resize = Resize((32, 48))
    np.testing.assert_array_equal(resize_frame(frame, resize), resize_image(image, resize))


@pytest.fixture(scope="module")
def roads():
    """Two moments of the demo drive at 1920x1080."""
    return [render(demo_scene(), (1080, 1920), second)[0] for second in (1, 6)]


@pytest.fixture(scope="module")
def network():
    with segmenter.load("lanes-fcn-lite", precision="fp32") as loaded:
        yield loaded


@pytest.mark.parametrize(
    ("size", "colour"),
    [
        ((1080, 1920), COLOURS[0]),
        ((1080, 1920), COLOURS[2]),
        ((1079, 1919), COLOURS[2]),
        ((768, 1366), COLOURS[1]),
        ((720, 1280), COLOURS[2]),
        ((719, 1279), COLOURS[3]),
        ((540, 960), COLOURS[0]),
        ((361, 641), COLOURS[2]),
        ((240, 320), COLOURS[1]),
    ],
    ids=str,
)
def test_labels_by_the_planes_are_those_by_the_picture(roads, network, size, colour):
    """At most 0.5 % of the pixels differ, with a shipped network."""
    resize = network.card.resize
    for road in roads:
        frame = frame_of(cv2.resize(road, size[::-1], interpolation=cv2.INTER_AREA), colour)
        by_planes, by_picture = (
            network.result(network.submit_resized(image))
            for image in (resize_frame(frame, resize), resize_image(frame.bgr, resize))
        )
        assert len(np.unique(by_picture)) >= 3, "there is something to label"
        assert (by_planes != by_picture).mean() <= 0.005


def slanted(width):
    """Six slanted lines on 1280x720 with the id 2, on ground of 1."""
    labels = np.ones((720, 1280), np.uint8)
    for k in range(6):
        ends = (150 + 190 * k, 250), (40 + 220 * k + 37 * (k % 3), 719)
        cv2.line(labels, *ends, 2, width)
    return labels


def pieces(mask):
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1


@pytest.mark.parametrize("width", [1, 2, 6])
def test_thin_lines_stay_whole_in_smaller_labels(width):
    labels = slanted(width)
    size = (180, 320) if width > 1 else (480, 854)
    small = resize_labels(labels, size, lines={2})
    assert set(np.unique(small)) == {1, 2}
    assert pieces(small == 2) <= pieces(labels == 2) == 6
    nearest = resize_labels(labels, size)
    assert (small == 2)[nearest == 2].all()
    if width < 6:
        assert pieces(nearest == 2) > 6
    np.testing.assert_array_equal(
        resize_labels(small, (720, 1280), {2}), resize_labels(small, (720, 1280))
    )


@pytest.mark.parametrize("size", [(64, 96), (31, 50), (200, 101), (1, 1)])
def test_scores_stay_shares_of_one(size):
    powers = np.random.default_rng(0).random((3, 64, 96))
    scores = (powers / powers.sum(0)).astype(np.float16)
    found = resize_scores(scores, size)
    assert found.shape == (3, *size)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.sum(0, dtype=np.float32), 1, atol=2e-3)
    assert (found is scores) == (size == (64, 96))


def test_scores_are_resized_linearly():
    scores = np.zeros((2, 1, 2), np.float16)
    scores[0, 0, 0] = scores[1, 0, 1] = 1
    np.testing.assert_array_equal(resize_scores(scores, (2, 4))[1], [[0, 0.25, 0.75, 1]] * 2)


@pytest.mark.parametrize("factor", [1.1, 1.5, 2, 3.3, 7])
def test_enlarged_ids_keep_round_outlines(factor):
    ids = np.zeros((120, 160), np.uint16)
    for number, place in enumerate(((40, 60), (110, 60)), start=300):
        cv2.circle(ids, place, 25, number, cv2.FILLED)
    size = round(120 * factor), round(160 * factor)
    large = resize_smoothly(ids, size)
    assert large.shape == size
    assert set(np.unique(large)) == {0, 300, 301}
    for number in (300, 301):
        (shape,) = shapes_of(np.where(large == number, number, 0).astype(np.uint16))
        assert shape.area == pytest.approx((ids == number).sum() * factor**2, rel=0.03)
        assert 4 * np.pi * shape.area / shape.perimeter**2 > 0.93
    small = resize_smoothly(ids, (60, 80))
    np.testing.assert_array_equal(small, resize_labels(ids, (60, 80)))
