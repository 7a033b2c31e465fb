"""Signs of a wrong count, and the doubt that they make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lanes.cells.doubt import (
    DOUBTFUL,
    REASONS,
    Signs,
    contrast_of,
    doubt_of_cell,
    scale_sign,
    signs_of,
)
from lanes.cells.instances import Cell

CELL = Cell(1, 50.0, 50.0, 30, 30, 40, 40, False, 1257, 40.0, 0.95, 0.2)


def test_a_clear_picture_has_no_doubt():
    signs = signs_of([CELL] * 20, 40.0, (20, 20), 3.5)
    assert signs == Signs()
    assert signs.doubt < 0.25


def test_each_sign_raises_the_doubt():
    for name in ("looks", "size", "shreds", "ragged", "faint", "scale"):
        assert Signs(**{name: 1.0}).doubt >= Signs().doubt, name
    assert Signs(1.0, 1.0, 1.0, 1.0, 1.0).doubt > 0.9 > DOUBTFUL


def test_signs_by_hand():
    shred = replace(CELL, area_px=200, diameter_px=16.0, circularity=0.5)
    cut = replace(shred, at_edge=True)
    signs = signs_of([CELL, CELL, CELL, shred, cut], 40.0, (5, 2), 1.5)
    assert signs.looks == pytest.approx(np.log(2))
    assert (signs.size, signs.shreds, signs.ragged) == (0, 0.25, 0.25)
    assert signs.faint == pytest.approx(np.log(2))
    assert signs_of([CELL], 80.0, (1, 1), 3.0).size == pytest.approx(np.log(2))


def test_an_empty_slide_is_no_reason_for_doubt():
    assert signs_of([], None, (0, 0), 0.0) == Signs()
    assert signs_of([], 40.0, (0, 7), 0.0).looks > 2


def test_the_heaviest_sign_is_the_reason():
    assert Signs(shreds=1.0).reason == REASONS[2]
    assert Signs(looks=3.0, ragged=0.1).reason == REASONS[0]


def test_contrast_is_in_deviations_of_the_clearest_channel():
    rng = np.random.default_rng(0)
    image = rng.normal(200, 5, (100, 100, 3))
    cells = np.zeros((100, 100), np.uint8)
    cells[:50] = 1
    image[:50, :, 1] -= 50
    found = contrast_of(image.astype(np.uint8), cells)
    assert found == pytest.approx(50 / np.hypot(5, 5), rel=0.1)
    assert contrast_of(image.astype(np.uint8), np.zeros_like(cells)) == 0


def test_cells_have_sizes_between_specks_and_the_picture():
    assert scale_sign(None, 480) == scale_sign(12.0, 480) == scale_sign(300.0, 480) == 0
    assert scale_sign(6.0, 480) == pytest.approx(np.log(2))
    assert scale_sign(672.0, 480) == pytest.approx(np.log(2))
    assert scale_sign(800.0, 5000) == pytest.approx(np.log(2))
    assert signs_of([CELL] * 5, 40.0, (5, 5), 3.5, 1.0).doubt > 0.9
    assert signs_of([], None, (0, 0), 0.0, 1.0) == Signs()


def test_a_cell_unlike_the_typical_one_is_doubtful():
    assert doubt_of_cell(CELL, 40.0)[0] == 0
    assert doubt_of_cell(replace(CELL, diameter_px=20.0), 40.0)[1] == "small"
    assert doubt_of_cell(replace(CELL, diameter_px=80.0), 40.0)[1] == "large"
    assert doubt_of_cell(replace(CELL, circularity=0.4), 40.0)[1] == "ragged"
