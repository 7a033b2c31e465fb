"""Other stains, light, focus and noise in training."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from lanes.training.microscope import Microscope, restained, unevenly_lit

SLIDE, CELL = (225, 220, 230), (150, 110, 190)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def slide():
    image = np.full((80, 100, 3), SLIDE, np.uint8)
    cv2.circle(image, (50, 40), 15, CELL, cv2.FILLED)
    return image


def config(**probabilities):
    return SimpleNamespace(
        **{"stain": 0.0, "uneven": 0.0, "defocus": 0.0, "noise": 0.0, **probabilities}
    )


def test_without_effects_the_picture_stays():
    image = slide()
    assert Microscope(config())(image) is image


@pytest.mark.parametrize("effect", ["stain", "uneven", "defocus", "noise"])
def test_each_effect_changes_the_picture_and_keeps_its_kind(effect):
    image = slide()
    changed = Microscope(config(**{effect: 1.0}))(image)
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert (changed != image).any()
    np.testing.assert_array_equal(image, slide())


def test_another_stain_keeps_the_cell_darker_than_the_slide():
    colours = []
    for _ in range(20):
        image = restained(slide())
        assert len(np.unique(image.reshape(-1, 3), axis=0)) == 2
        assert image[40, 50].sum() < image[2, 2].sum()
        colours.append(image[2, 2])
    assert np.ptp(colours, axis=0).min() > 30


def test_uneven_light_dims_and_never_brightens():
    image = unevenly_lit(slide())
    assert (image <= slide()).all()
    assert image[2, 2].sum() < np.sum(SLIDE)
