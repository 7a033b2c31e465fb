"""Tiles cover each pixel once, at any picture size."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.datasets._samples import images
from lanes.images.resize import Resize, network_input, resize_image
from lanes.images.tiles import GRID, extended, middle, spans
from model_folders import card_of

TILE = (128, 160)


def picture(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("tile", [20, 64, 96, 320, 513])
def test_spans_cover_a_side_once_and_leave_a_margin(tile):
    for length in [1, 2, tile - 1, tile, tile + 1, 2 * tile, 2 * tile + 17, 1999, 5000]:
        found = spans(length, tile)
        assert [s.first for s in found] == [0, *(s.last for s in found[:-1])]
        assert found[-1].last == length
        for one, other in zip(found, found[1:], strict=False):
            assert one.start + tile - one.last >= tile // 8 - 1
            assert other.first - other.start >= tile // 8 - 1
            assert other.start > one.start
        for span in found:
            assert span.start <= span.first < span.last <= span.start + tile
            assert tile < 2 * GRID or span.start % GRID == 0


def test_no_more_tiles_than_needed():
    assert len(spans(320, 320)) == 1
    assert len(spans(321, 320)) == 2
    assert len(spans(544, 320)) == 2  # 320 + 224, the widest multiple of 32 below 3/4 of 320
    assert len(spans(545, 320)) == 3
    assert len(spans(800, 320)) == 4


def test_pixels_beyond_the_picture_mirror_it():
    image = picture((5, 7))
    large = extended(image, (9, 12))
    np.testing.assert_array_equal(large[5], large[3])
    np.testing.assert_array_equal(large[:, 7], large[:, 5])
    assert extended(image, (5, 4)) is image


def test_the_middle_tile_stands_for_a_picture_where_one_input_is_wanted():
    image = picture((300, 500))
    resize = Resize(TILE, mode="tile")
    np.testing.assert_array_equal(
        network_input(image, resize), image[86 : 86 + 128, 170 : 170 + 160]
    )
    assert resize_image(image, resize) is image
    assert resize.labels_size((300, 500)) == (300, 500)
    assert middle(picture((20, 500)), TILE).shape == (*TILE, 3)
    card = card_of(TILE, resize=resize)
    assert [image.shape for image in images(card, 2)] == [(1, *TILE, 3)] * 2
