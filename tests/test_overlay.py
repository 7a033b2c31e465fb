from fractions import Fraction

import numpy as np
import pytest

from lanes import hud, tasks
from lanes.colour import YuvColour, from_bgr, to_bgr
from lanes.overlay import overlay, overlay_bgr
from lanes.types import Frame

TASK = tasks.load("lanes")
COLOURS = [YuvColour("bt601", False), YuvColour("bt709", False), YuvColour("bt709", True)]


def frame_of(image, colour=COLOURS[0]):
    return Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1, 25))


def grey(size, value=100):
    return np.full((*size, 3), value, np.uint8)


def half(size):
    """The right half is lane line."""
    labels = np.zeros(size, np.uint8)
    labels[:, size[1] // 2 :] = 2
    return labels


def test_colour_of_a_class_at_its_opacity_by_hand():
    image = grey((64, 96))
    labels = np.full((64, 96), 1, np.uint8)
    drivable = TASK.classes[1]
    drawn = overlay_bgr(image, labels, TASK, alpha=0.5)
    opacity = 0.5 * drivable.alpha
    wanted = [100 * (1 - opacity) + c * opacity for c in drivable.colour]
    np.testing.assert_allclose(drawn[32, 48], wanted, atol=1.5)


def test_background_and_alpha_zero_change_nothing():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    np.testing.assert_array_equal(overlay_bgr(image, np.zeros((64, 96), np.uint8), TASK), image)
    np.testing.assert_array_equal(overlay_bgr(image, half((64, 96)), TASK, alpha=0), image)


def test_the_input_is_not_changed():
    image = grey((64, 96))
    frame = frame_of(image)
    before = [plane.copy() for plane in frame.planes]
    overlay(frame, half((32, 48)), TASK)
    overlay_bgr(image, half((32, 48)), TASK)
    assert all(np.array_equal(a, b) for a, b in zip(before, frame.planes, strict=True))
    assert (image == 100).all()


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("size", [(64, 96), (63, 95), (360, 640)])
def test_planes_and_bgr_agree(colour, size):
    image = grey(size, 120)
    labels = half((32, 48))
    on_planes = to_bgr(overlay(frame_of(image, colour), labels, TASK).planes, colour)
    on_bgr = overlay_bgr(image, labels, TASK)
    difference = np.abs(on_planes.astype(int) - on_bgr)
    edge = abs(np.arange(size[1]) - size[1] / 2) < size[1] / 24
    assert difference[:, ~edge].max() <= 4


def test_edges_are_smooth_and_rows_without_labels_untouched():
    labels = np.zeros((32, 48), np.uint8)
    labels[20:24] = 2
    image = grey((320, 480))
    drawn = overlay_bgr(image, labels, TASK).astype(int)
    column = drawn[:, 240, 2]
    assert (column[:150] == 100).all()
    assert (column[300:] == 100).all()
    # From grey to line in many small steps, each way, and no ring beyond the edge.
    assert len(np.unique(column)) >= 8
    assert np.abs(np.diff(column)).max() < 30
    assert column[215] > 150


@pytest.mark.parametrize("row", [0, 31])
def test_labels_at_the_border_are_drawn(row):
    labels = np.zeros((32, 48), np.uint8)
    labels[row] = 1
    drawn = overlay_bgr(grey((320, 480)), labels, TASK)
    assert (drawn[0 if row == 0 else -1] != 100).any()


def test_hud_is_legible_on_any_background_and_stays_in_its_corner():
    for value in (0, 128, 255):
        frame = frame_of(grey((360, 640), value))
        hud.draw(frame, ["58.3 FPS   inference 12.1 ms", "IoU  drivable 0.95"])
        luma = frame.planes[0]
        assert luma[:40, :300].max() >= 200
        assert np.median(luma[:20, :150]) < 130
        assert (luma[80:] == luma[200, 400]).all()


@pytest.mark.parametrize("size", [(64, 64), (63, 95), (2160, 3840)])
def test_hud_fits_any_size(size):
    frame = frame_of(grey(size))
    hud.draw(frame, ["a long line of text that is wider than a small picture", ""])
    assert frame.planes[0].shape == size
