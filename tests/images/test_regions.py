"""Stray pieces and holes of a surface: counted and removed, whatever the labels' size."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.images.regions import Strays, strays, tidied

ROAD = (1, 2, 3)


def picture(scale=1):
    """A road with a line, a stray piece, a lone line, a hole and a car at 640x360 x `scale`."""
    labels = np.zeros((360, 640), np.uint8)
    labels[200:, 100:500] = 1
    labels[200:, 300:304] = 2
    labels[100:110, 20:30] = 1  # a stray piece
    labels[100:150, 600:603] = 2  # a line without ground
    labels[250:260, 150:170] = 0  # a hole
    labels[300:350, 400:450] = 0  # a car: 2500 px
    labels[10:13, 10:13] = 1  # too small to count
    return labels.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("scale", [1, 2])
def test_pieces_and_holes_are_counted_at_any_size(scale):
    assert strays(picture(scale), ROAD) == Strays(1, 1)


def test_a_line_joins_ground_to_the_road():
    labels = picture()
    labels[109:201, 25:28] = 3
    labels[198:201, 25:101] = 3
    assert strays(labels, ROAD) == Strays(0, 1)


def test_a_diagonal_step_joins_pieces_but_opens_no_hole():
    labels = np.ones((360, 640), np.uint8)
    labels[:100] = 0
    labels[90:100, :50] = 1
    labels[80:90, 50:60] = 1  # touches only at a corner
    assert strays(labels, ROAD).pieces == 0
    labels[:] = 1
    labels[100:110, 100:110] = labels[110:120, 110:120] = 0  # two holes that touch at a corner
    assert strays(labels, ROAD).holes == 2


@pytest.mark.parametrize("scale", [1, 2])
def test_tidied_labels_keep_cars_lines_and_far_roads(scale):
    labels = picture(scale)
    labels[: 60 * scale, 400 * scale :] = 1  # a road of its own
    tidy = tidied(labels, ROAD)
    wanted = labels.copy()
    wanted[100 * scale : 110 * scale, 20 * scale : 30 * scale] = 0
    wanted[10 * scale : 13 * scale, 10 * scale : 13 * scale] = 0
    wanted[250 * scale : 260 * scale, 150 * scale : 170 * scale] = 1
    np.testing.assert_array_equal(tidy, wanted)
    assert labels[10 * scale, 10 * scale] == 1, "the input stays as it was"


@pytest.mark.parametrize("label", [0, 1, 2])
def test_one_class_all_over_is_tidy(label):
    labels = np.full((36, 64), label, np.uint8)
    assert strays(labels, ROAD) == Strays(0, 0)
    assert tidied(labels, ROAD) is labels


def test_only_a_line_is_no_ground():
    labels = np.zeros((36, 64), np.uint8)
    labels[10:20, 5] = labels[10:20, 50] = 2
    assert strays(labels, ROAD) == Strays(0, 0)
