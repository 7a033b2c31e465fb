"""The diameter of cells in a picture, estimated without a network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes.cells.scale import estimate, foreground, is_flat
from lanes.synthetic.smear import render, smear

SLIDE, CELL = (225, 220, 230), (150, 110, 190)


def discs(diameter, places, size=(300, 400)):
    image = np.full((*size, 3), SLIDE, np.uint8)
    for x, y in places:
        cv2.circle(image, (x, y), diameter // 2, CELL, cv2.FILLED, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("diameter", [12, 40, 100, 400])
def test_drawn_smears_of_any_magnification(diameter):
    size = (360, 480) if diameter < 200 else (900, 1200)
    slide = render(smear(4, float(diameter)), size)
    assert estimate(slide.image) == pytest.approx(diameter, rel=0.3)


def test_touching_cells_are_no_larger():
    row = [(60 + 40 * k, 150) for k in range(7)]
    apart = [(60 + 70 * k, 80) for k in range(4)]
    assert estimate(discs(40, row)) == pytest.approx(estimate(discs(40, apart)), rel=0.08)


def test_one_cell_is_enough_and_specks_do_not_count():
    image = discs(60, [(200, 150)])
    for x in range(20, 380, 60):
        cv2.circle(image, (x, 30), 3, CELL, cv2.FILLED)
    assert estimate(image) == pytest.approx(60, rel=0.15)


def test_pale_centres_are_part_of_the_cell():
    image = discs(50, [(100, 100), (220, 100)])
    for x in (100, 220):
        cv2.circle(image, (x, 100), 12, SLIDE, cv2.FILLED)
    assert estimate(image) == pytest.approx(50, rel=0.15)
    assert foreground(image)[100, 100] == 1


def test_uneven_light_does_not_change_it():
    image = discs(40, [(60 + 70 * k, 60 + 60 * j) for k in range(5) for j in range(4)])
    lamp = np.linspace(1.0, 0.5, 400)[None, :, None]
    assert estimate((image * lamp).astype(np.uint8)) == pytest.approx(estimate(image), rel=0.1)


@pytest.mark.parametrize("grey", [0, 130, 255])
def test_an_empty_slide_has_no_cells(grey):
    noise = np.random.default_rng(0).normal(grey, 2, (300, 400, 3))
    assert estimate(np.clip(noise, 0, 255).astype(np.uint8)) is None
    assert estimate(np.full((1, 1, 3), grey, np.uint8)) is None


def test_a_picture_without_contrast_is_flat():
    image = np.full((60, 80, 3), (200, 210, 220), np.uint8)
    noisy = image + np.random.default_rng(0).integers(0, 4, image.shape).astype(np.uint8)
    assert is_flat(image)
    assert is_flat(noisy)
    noisy[50, 70, 1] -= 20
    assert not is_flat(noisy)
