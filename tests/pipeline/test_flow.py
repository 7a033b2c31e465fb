"""Optical flow: labels that move with the picture, known exactly since the picture is shifted."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lanes.colour import default_colour, from_bgr
from lanes.pipeline.flow import MEDIUM, ULTRAFAST, Carrier, OpticalFlow, moved
from lanes.types import Frame

SIZE = (176, 320)


def scene(shift=(0, 0), seed=0):
    """A textured picture and its labels, moved by `shift` (down, right)."""
    random = np.random.default_rng(seed)
    height, width = SIZE[0] + 80, SIZE[1] + 80
    coarse = random.integers(40, 200, (height // 8, width // 8)).astype(np.uint8)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    labels = np.zeros((height, width), np.uint8)
    cv2.rectangle(labels, (120, 90), (220, 160), 1, -1)
    cv2.line(labels, (60, 200), (180, 60), 2, 5)
    top, left = 40 - shift[0], 40 - shift[1]
    part = np.s_[top : top + SIZE[0], left : left + SIZE[1]]
    return grey[part].copy(), labels[part].copy()


def frame_of(grey):
    colour = default_colour(grey.shape[0])
    return Frame(from_bgr(np.repeat(grey[..., None], 3, -1), colour), colour, 0, 0, Fraction(1))


def iou_of(one, other, label):
    both, either = (one == label) & (other == label), (one == label) | (other == label)
    return both.sum() / either.sum()


def test_labels_are_taken_from_where_the_flow_points():
    labels = np.array([[0, 1, 2, 3]], np.uint8)
    flow = np.zeros((1, 4, 2), np.float32)
    flow[..., 0] = 1  # what is here now was one pixel to the right
    np.testing.assert_array_equal(moved(labels, flow, outside=255), [[1, 2, 3, 255]])
    np.testing.assert_array_equal(moved(labels, flow), [[1, 2, 3, 3]])
    np.testing.assert_array_equal(
        moved(labels.T, flow.transpose(1, 0, 2)[..., ::-1]).T, [[1, 2, 3, 3]]
    )


def test_moving_invents_no_id():
    random = np.random.default_rng(0)
    labels = random.choice([0, 7, 200], (40, 60)).astype(np.uint8)
    flow = random.normal(0, 20, (40, 60, 2)).astype(np.float32)
    assert set(np.unique(moved(labels, flow))) <= {0, 7, 200}


@pytest.mark.parametrize("preset", [ULTRAFAST, MEDIUM])
@pytest.mark.parametrize("shift", [(0, 6), (5, 0), (-4, 3)])
def test_flow_of_a_shifted_picture_is_the_shift(preset, shift):
    before, now = scene()[0], scene(shift)[0]
    flow = OpticalFlow(preset)(now, before)
    assert flow.shape == (*SIZE, 2)
    inside = flow[16:-16, 16:-16]
    down, right = shift
    np.testing.assert_allclose(np.median(inside, (0, 1)), [-right, -down], atol=0.1)
    assert (abs(inside - [-right, -down]).max(-1) < 0.5).mean() > 0.95


@pytest.mark.parametrize("shift", [(0, 0), (0, 9), (6, 0), (-5, 8)])
def test_carried_labels_move_with_the_picture(shift):
    key, labels = scene()
    now, truth = scene(shift)
    carrier = Carrier(SIZE)
    carrier.set_key(frame_of(key))
    carried = moved(labels, carrier.flow_to(frame_of(now)))
    for label in (0, 1, 2):
        assert iou_of(carried, truth, label) > 0.85
    if shift != (0, 0):
        assert iou_of(labels, truth, 2) < 0.7, "standing still would have done"


def test_carrier_takes_frames_larger_than_the_labels():
    key, labels = scene()
    now, truth = scene((0, 8))
    double = [cv2.resize(grey, None, fx=2.5, fy=2.5) for grey in (key, now)]
    carrier = Carrier(SIZE)
    carrier.set_key(frame_of(double[0]))
    carried = moved(labels, carrier.flow_to(frame_of(double[1])))
    assert carried.shape == SIZE
    assert iou_of(carried, truth, 1) > 0.9
    assert iou_of(carried, truth, 2) > 0.8


def test_where_the_picture_says_nothing_labels_stand_still():
    """A flat half with a little noise, beside one that moves."""
    random = np.random.default_rng(1)
    key, labels = scene()
    now, _ = scene((0, 8))
    flat = slice(SIZE[1] // 2, None)
    for grey in (key, now):
        grey[:, flat] = 100 + random.integers(-2, 3, (SIZE[0], SIZE[1] // 2))
    carrier = Carrier(SIZE)
    carrier.set_key(frame_of(key))
    flow = carrier.flow_to(frame_of(now))
    assert abs(np.median(flow[20:-20, 20:140, 0]) + 8) < 0.5
    assert abs(flow[20:-20, 200:-20]).mean() < 1.0


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (24, 24), (33, 47)])
def test_small_networks_are_carried_too(size):
    carrier = Carrier(size)
    carrier.set_key(frame_of(scene()[0]))
    flow = carrier.flow_to(frame_of(scene((0, 4))[0]))
    assert flow.shape == (*size, 2)
    assert np.isfinite(flow).all()
