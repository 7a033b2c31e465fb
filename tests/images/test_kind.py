"""Slides and views from a car are told apart where a picture is clear about it."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from lanes.colour import YuvColour, from_bgr
from lanes.datasets import synthetic, synthetic_smear
from lanes.images.kind import kind_of, kind_of_frame, most
from lanes.types import Frame


def pictures(module, count):
    dataset = module.open("", "val", count)
    return [dataset[index].image for index in range(len(dataset))]


@pytest.fixture(scope="module")
def roads():
    """Rendered by day, at night, in rain and in tunnels."""
    return pictures(synthetic, 40)


@pytest.fixture(scope="module")
def smears():
    return pictures(synthetic_smear, 8)


def test_no_road_is_a_slide_and_most_are_views(roads):
    kinds = Counter(map(kind_of, roads))
    assert kinds["slide"] == 0
    assert kinds["view"] >= 28


def test_every_smear_is_a_slide(smears):
    assert {kind_of(image) for image in smears} == {"slide"}


@pytest.mark.parametrize("grey", [0, 20, 128])
def test_an_even_grey_picture_is_unclear(grey):
    assert kind_of(np.full((40, 60, 3), grey, np.uint8)) is None


def test_a_bright_unstained_wall_is_no_slide():
    wall = np.full((90, 160, 3), 165, np.uint8)
    cv2.rectangle(wall, (50, 30), (110, 70), (60, 60, 60), cv2.FILLED)
    assert kind_of(wall) is None


def test_a_frame_is_judged_as_its_picture(roads, smears):
    colour = YuvColour("bt709", full_range=False)
    images = [*roads[:12], *smears]
    frames = [Frame(from_bgr(i, colour), colour, 0, 0, 1) for i in images]
    same = [kind_of_frame(f) == kind_of(i) for f, i in zip(frames, images, strict=True)]
    assert sum(same) >= len(same) - 1  # colours are subsampled


def test_over_half_of_the_pictures_decide():
    assert most(["view", "view", None]) == "view"
    assert most(["view", "slide"]) is None
    assert most([]) is None
