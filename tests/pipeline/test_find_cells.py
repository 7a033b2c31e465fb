"""Cells at the scale that the model learned."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from lanes import segmenter
from lanes.card import read
from lanes.errors import BadInput, BadModel
from lanes.pipeline.find_cells import (
    check_diameter,
    estimate,
    given_diameter,
    label_cells,
    scaled_size,
)
from model_folders import make_counter
from smears import smear


@pytest.fixture
def load(tmp_path):
    """Load the model of thresholds with a learned diameter."""

    def load(learned):
        folder = make_counter(tmp_path / f"learned_{learned}", "blood_cells")
        dataclasses.replace(read(folder), cell_diameter=learned).write(folder)
        return segmenter.load(str(folder), "onnxruntime")

    return load


@pytest.fixture
def image():
    return smear((50, 60), (150, 100))


def width(labels):
    """The width of the leftmost cell."""
    return cv2.connectedComponentsWithStats((labels > 0).astype(np.uint8))[2][1:, 2].min()


def test_a_picture_is_labelled_at_the_learned_scale(load, image):
    with load(16.0) as model:
        found = label_cells(image, model, diameter=40.0)
        assert found.diameter == 40
        assert found.labels.shape == (60, 88)
        assert width(found.labels) == pytest.approx(16, abs=2)


def test_a_wrong_estimate_is_corrected_by_what_is_found(load, image):
    with load(16.0) as model:
        found = label_cells(image, model, estimated=80.0)
        assert found.diameter == pytest.approx(40, rel=0.12)
        assert width(found.labels) == pytest.approx(16, abs=2)
        given = label_cells(image, model, diameter=80.0)
        assert given.diameter == 80


def test_without_a_scale_or_cells_the_picture_keeps_its_own(load, image):
    with load(None) as model:
        assert estimate(image, model, None) is None
        assert label_cells(image, model).diameter is None
    with load(16.0) as model:
        found = label_cells(image, model)
        assert (found.diameter, found.labels.shape) == (None, image.shape[:2])


def test_a_red_cell_gives_the_diameter():
    assert given_diameter(None, 0.15) == pytest.approx(50)
    assert given_diameter(30.0, 0.15) == 30
    assert given_diameter(None, None) is None


@pytest.mark.parametrize("diameter", [0.0, -3.0, float("inf"), float("nan")])
def test_a_diameter_that_no_cell_has_is_an_error(load, diameter):
    with load(16.0) as model, pytest.raises(BadInput, match="--cell-diameter"):
        check_diameter(diameter, model.card)


def test_a_model_without_a_scale_takes_no_diameter(load):
    with load(None) as model, pytest.raises(BadInput, match="no scale"):
        check_diameter(40.0, model.card)


def test_a_card_with_a_wrong_diameter_is_an_error(load):
    with pytest.raises(BadModel, match="cell_diameter"):
        load(-1.0)


def test_cells_shrink_a_little_if_the_picture_then_fits_into_one_tile():
    assert scaled_size((600, 800), 1.1, (608, 800)) == (600, 800)
    assert scaled_size((600, 800), 1.4, (608, 800)) == (840, 1120)
    assert scaled_size((600, 800), 0.5, (608, 800)) == (300, 400)
    height, width = scaled_size((20_000, 30_000), 4.0, (608, 800))
    assert height * width == pytest.approx(60e6, rel=0.01)


def test_the_counts_at_two_scales_agree_on_clear_cells(load, image):
    with load(16.0) as model:
        found = label_cells(image, model, diameter=40.0)
        assert found.counts == (2, 2)
        assert found.contrast > 3
    with load(None) as model:
        assert label_cells(image, model).counts is None
