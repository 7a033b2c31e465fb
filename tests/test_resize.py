"""The one resize: images to the network's input, labels to any size."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.resize import Resize, resize_image, resize_labels


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
