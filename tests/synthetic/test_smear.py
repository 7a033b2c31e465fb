"""The synthetic smear: the same seed draws the same, and labels are what one sees."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
import pytest

from lanes.synthetic.blood import KINDS, Window, nucleus, outline
from lanes.synthetic.smear import CYTOPLASM, LEAST, NUCLEUS, drift, foreign, render, smear

SIZE = (160, 200)


def clear(seed, **changes):
    """A smear without noise, platelets or anything else that hides what is labelled."""
    made = smear(seed, 50.0)
    optics = replace(made.optics, noise=0.0, fall=0.0, vignette=0.0, tilt=0.0, blur=0.4)
    return replace(made, optics=optics, platelets=0.0, **changes)


def test_the_same_seed_draws_the_same():
    first, again = render(smear(7), SIZE), render(smear(7), SIZE)
    assert smear(7) == smear(7)
    for name in ("image", "labels", "white", "cells"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_seeds_differ():
    assert smear(1) != smear(2)
    assert (render(smear(1), SIZE).image != render(smear(2), SIZE).image).mean() > 0.5


@pytest.mark.parametrize("size", [(40, 40), (33, 171), SIZE])
@pytest.mark.parametrize("seed", [0, 5])
def test_any_size(seed, size):
    slide = render(smear(seed), size)
    assert slide.image.shape == (*size, 3)
    assert slide.image.dtype == slide.labels.dtype == np.uint8
    assert slide.white.dtype == slide.cells.dtype == np.uint16
    assert slide.labels.shape == slide.white.shape == slide.cells.shape == size


@pytest.mark.parametrize("seed", range(8))
def test_labels_and_instances_say_the_same(seed):
    slide = render(smear(seed), (320, 320))
    np.testing.assert_array_equal(slide.labels > 0, slide.white > 0)
    assert (slide.cells[slide.white > 0] > 0).all()
    for instances in (slide.white, slide.cells):
        ids, counts = np.unique(instances[instances > 0], return_counts=True)
        np.testing.assert_array_equal(ids, np.arange(1, len(ids) + 1))
        assert counts.min() >= LEAST
    for number in np.unique(slide.white[slide.white > 0]):
        of_all = slide.cells[slide.white == number]
        assert len(set(of_all.tolist())) == 1
    assert cv2.countNonZero((slide.labels == NUCLEUS).astype(np.uint8)) > 0


def test_a_white_cell_is_one_piece_and_holds_its_nucleus():
    """Away from the picture's edge, as drawn one by one."""
    rng = np.random.default_rng(3)
    for kind in KINDS * 3:
        cell = outline(rng, (60.0, 60.0), 40.0, 0.1)
        window = Window.around(cell.centre, 56.0, (120, 120))
        depth, inner = cell.depth(window), nucleus(rng, kind, cell, window)
        assert cv2.connectedComponents((depth > 0).astype(np.uint8))[0] == 2
        assert not (inner > 0)[depth <= 0].any()
        assert 0.1 < (inner > 0).sum() / (depth > 0).sum() < 0.9
        assert (depth > 0).sum() == pytest.approx(np.pi * 40**2, rel=0.1)


@pytest.mark.parametrize("seed", range(10))
def test_the_nucleus_is_the_darkest_and_cells_are_darker_than_the_slide(seed):
    made = clear(seed)
    slide = render(made, (320, 320))
    green = slide.image[..., 1].astype(float)
    free = np.median(green[slide.cells == 0])
    red = (slide.cells > 0) & (slide.white == 0)
    assert np.median(green[red]) < free - 4
    assert np.median(green[slide.labels == CYTOPLASM]) < free - 8
    assert np.median(green[slide.labels == NUCLEUS]) < np.median(green[red]) - 20
    assert abs(free - made.stain.light[1] * made.optics.gain[1]) < 6


def test_labels_end_where_the_picture_does():
    """Sharp, without a pale middle: the label's edge is where half of the light is lost."""
    made = clear(4, pallor=0.0, touching=0.0, white=0.0)
    slide = render(made, (320, 320))
    green = slide.image[..., 1].astype(float)
    free, cell = np.median(green[slide.cells == 0]), np.median(green[slide.cells > 0])
    seen = green < (free + cell) / 2
    assert (seen != (slide.cells > 0)).mean() < 0.012


def test_more_touch_where_more_shall():
    def pieces_to_cells(touching):
        made = clear(11, touching=touching, crowd=0.3, white=0.0)
        cells = render(made, (480, 640)).cells
        pieces = cv2.connectedComponents((cells > 0).astype(np.uint8))[0] - 1
        return pieces / cells.max()

    assert pieces_to_cells(0.0) > 0.9
    assert pieces_to_cells(0.8) < 0.6


def test_no_white_cells_unless_wanted_and_one_at_least_if_so():
    assert not render(smear(3, white=0.0), SIZE).white.any()
    assert all(render(smear(seed, 40.0, white=0.01), SIZE).white.any() for seed in range(12))


def test_the_stage_moves_and_its_labels_with_it():
    slides = list(islice(drift(clear(5), (120, 160), 300, Fraction(30)), 0, 60, 12))
    assert len(slides) == 5
    for one, other in zip(slides, slides[1:], strict=False):
        assert (one.cells != other.cells).any()
        assert (one.image != other.image).any()
    again = next(drift(clear(5), (120, 160), 300, Fraction(30)))
    np.testing.assert_array_equal(again.image, slides[0].image)
    # What is labelled a nucleus is dark in every picture.
    for slide in slides:
        if (slide.labels == NUCLEUS).any():
            green = slide.image[..., 1]
            assert green[slide.labels == NUCLEUS].mean() < green[slide.cells == 0].mean() - 40


def test_a_foreign_smear_has_stacks_ghosts_dirt_and_exact_cells():
    one, again, other = foreign(7, 40.0), foreign(7, 40.0), foreign(8, 40.0)
    assert one == again != other
    slide = render(one, (200, 260))
    np.testing.assert_array_equal(slide.image, render(again, (200, 260)).image)
    assert set(np.unique(slide.cells)) == set(range(slide.cells.max() + 1))
    assert (slide.cells[slide.labels > 0] > 0).all()


def test_dirt_and_plasma_darken_the_slide_but_are_no_cells():
    clean = replace(smear(3, 40.0), debris=0.0, plasma=0.0)
    dirty = replace(clean, debris=30.0, plasma=0.05)
    one, other = render(clean, (200, 260)), render(dirty, (200, 260))
    np.testing.assert_array_equal(one.cells, other.cells)
    assert other.image.mean() < one.image.mean() - 2


def test_stacked_cells_overlap():
    apart = replace(smear(3, 40.0, white=0.0), crowd=0.3, touching=0.0, rouleaux=0.0)
    areas = []
    for one in (apart, replace(apart, rouleaux=0.8)):
        cells = render(one, (300, 400)).cells
        areas.append((cells > 0).sum() / cells.max())
    assert areas[1] < 0.9 * areas[0]
