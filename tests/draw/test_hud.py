from fractions import Fraction

import cv2
import numpy as np
import pytest

from lanes import tasks
from lanes.colour import YuvColour, from_bgr
from lanes.draw import hud
from lanes.types import Frame

LINES = ["58.3 FPS   inference 12.1 ms", "IoU  drivable 0.95"]


def frame_of(size, value=100, full_range=False):
    colour = YuvColour("bt709", full_range)
    image = np.full((*size, 3), value, np.uint8)
    return Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1, 25))


def test_hud_is_legible_on_any_background_and_stays_in_its_corner():
    for value in (0, 128, 255):
        frame = frame_of((360, 640), value)
        hud.draw(frame, LINES)
        luma = frame.planes[0]
        assert luma[:40, :300].max() >= 200
        assert np.median(luma[:20, :150]) < 130
        assert (luma[80:] == luma[200, 400]).all()


@pytest.mark.parametrize("size", [(64, 64), (63, 95), (2160, 3840), (1, 1), (1, 40)])
def test_hud_fits_any_size(size):
    frame = frame_of(size)
    hud.draw(frame, ["a long line of text that is wider than a small picture", ""])
    assert frame.planes[0].shape == size


@pytest.mark.parametrize("full_range", [False, True])
def test_the_patch_is_darkened_and_the_text_white_in_the_frames_range(full_range):
    frame = frame_of((720, 1280), 200, full_range)
    before = frame.planes[0][0, 0]
    hud.draw(frame, LINES)
    black, white = (0, 255) if full_range else (16, 235)
    luma = frame.planes[0]
    assert luma.max() == white
    assert luma[0, 0] == pytest.approx(black + (before - black) * hud.DARKEN, abs=1)
    assert all((plane == 128).all() for plane in frame.planes[1:])


def test_colour_fades_only_within_the_patch():
    image = np.full((720, 1280, 3), (40, 40, 220), np.uint8)
    colour = YuvColour("bt709", False)
    frame = Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1))
    before = [plane.copy() for plane in frame.planes]
    hud.draw(frame, LINES)
    changed = [
        np.argwhere(old != new).max(0) for old, new in zip(before, frame.planes, strict=True)
    ]
    luma, *chroma = changed
    for plane in chroma:
        assert (2 * plane + 1 == luma).all()


def test_text_is_rendered_only_when_it_changes(monkeypatch):
    hud._rendered.cache_clear()
    drawn = []
    put_text = cv2.putText
    monkeypatch.setattr(cv2, "putText", lambda *words: drawn.append(words[1]) or put_text(*words))
    for line in ("one", "one", "one", "two", "two"):
        hud.draw(frame_of((96, 160)), [line])
    assert drawn == ["one", "two"]


def test_bgr_shows_what_was_drawn():
    frame = frame_of((96, 160), 200)
    assert frame.bgr[0, 0, 0] > 190
    hud.draw(frame, LINES)
    assert frame.bgr[0, 0, 0] < 100


def test_the_text_says_the_figures_that_are_known():
    task = tasks.load("lanes")
    assert hud.figures_as_lines(task, 30.0, None) == ["30.0 FPS"]
    iou = {"background": 0.99, "drivable": 0.956}
    assert hud.figures_as_lines(task, 30.0, 0.0121, every=2, iou=iou) == [
        "30.0 FPS   inference 12.1 ms, 1 frame in 2",
        "IoU  drivable 0.96",
    ]
    assert hud.figures_as_lines(
        task, 9.96, 0.01, latency=0.0554, dropped=3, consistency={"drivable": 1}, measures={"n": 12}
    ) == [
        "10.0 FPS   inference 10.0 ms",
        "latency 55 ms   dropped 3",
        "consistency  drivable 1.00",
        "n 12",
    ]
    assert hud.figures_as_lines(task, 1, None, dropped=2)[1:] == ["dropped 2"]
    assert hud.figures_as_lines(task, 1, None, iou={"background": 1.0})[1:] == []
