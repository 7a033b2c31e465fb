"""The drawn lane: where the pixels change, in which colour, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lane_roads import HORIZON, SIZE, road_frame, road_labels
from lanes import tasks
from lanes.colour import yuv_of
from lanes.draw import lane as drawing
from lanes.draw.lane_hud import draw_offset, draw_warning
from lanes.draw.overlay import overlay
from lanes.types import LaneLine

TASK = tasks.load("lanes")
BIG = (720, 1280)


def line(x_bottom, x_top, side, size=BIG, **fields):
    rows = np.arange(size[0] - 1, size[0] // 2, -8.0)
    share = (rows - rows[-1]) / (rows[0] - rows[-1])
    points = np.stack([x_top + (x_bottom - x_top) * share, rows], axis=1).astype(np.float32)
    made = LaneLine(points, side, "solid", "white", 1.0)
    return replace(made, **fields)


def ego(**fields):
    return [line(240, 600, "ego left", **fields), line(1040, 680, "ego right", **fields)]


def blank(size=BIG):
    return road_frame(np.zeros(size, np.uint8))


def changed(lines, **options):
    frame = blank()
    before = [plane.copy() for plane in frame.planes]
    drawing.draw_lines(frame, lines, 350.0, **options)
    return frame, [old != new for old, new in zip(before, frame.planes, strict=True)]


def test_a_line_is_drawn_along_its_points_only():
    frame, (luma, u, _) = changed(ego())
    for each in ego():
        for x, y in each.points[::6]:
            assert luma[round(y), round(x)]
            assert u[round(y) // 2, round(x) // 2]
    assert not luma[:350].any()
    assert not luma[:, 620:660].any(), "the lane itself is free"
    assert 0.005 < luma.mean() < 0.05


def test_colours_say_which_line_it_is():
    for options, fields, bgr in (
        ({}, {}, drawing.WHITE),
        ({}, {"colour": "yellow"}, drawing.YELLOW),
        ({"crossed": "ego left"}, {}, drawing.CROSSED),
    ):
        frame, _ = changed([line(240, 600, "ego left", **fields)], **options)
        x, y = line(240, 600, "ego left").points[5]
        parts = zip(frame.planes, (1, 2, 2), strict=True)
        values = [plane[int(y) // part, int(x) // part] for plane, part in parts]
        assert values == pytest.approx(yuv_of(bgr, frame.colour), abs=3)


def test_widths_say_how_sure_and_of_what_kind_a_line_is():
    def width(row=700, side="ego left", **fields):
        return changed([line(240, 600, side, **fields)])[1][0][row].sum()

    assert width() > width(confidence=0.35) > 0
    assert width(confidence=0.2) == 0
    assert width() > width(side="next left") > 0
    dashed = [width(row, kind="dashed") / width(row) for row in range(400, 718, 2)]
    assert min(dashed) < 0.6
    assert max(dashed) > 0.95
    row = changed([line(240, 600, "ego left", kind="double")])[1][0][700]
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) == 2, "two halves"


def test_a_vehicle_hides_the_line_behind_it():
    labels = np.ones((352, 640), np.uint8)
    labels[240:290, 100:300] = 0  # rows 491 to 593 of the frame
    labels[330:332] = 0  # too few rows for a vehicle
    luma = changed([line(240, 600, "ego left")], labels=labels)[1][0]
    assert not luma[500:585].any()
    assert luma[370:480].any(axis=1).all()
    assert luma[630:715].any(axis=1).all()
    edge = np.zeros_like(labels)
    edge[:, 321:] = 1  # road on one side of the line only
    beside = changed([line(640, 640, "next left")], labels=edge)[1][0]
    assert beside[370:700].any(axis=1).all()


@pytest.mark.parametrize("size", [(90, 160), (63, 95), (2, 2), (1, 40)])
def test_small_and_odd_frames(size):
    frame = blank(size)
    lines = [line(0.2 * size[1], 0.5 * size[1], "ego left", size)] if size[0] > 40 else []
    drawing.draw_lines(frame, lines, size[0] / 2)
    draw_warning(frame, "LEAVING LANE LEFT", draw_offset(frame, 0.3, "30 % right"))
    assert frame.planes[0].shape == size


def test_the_own_lane_is_drawn_where_the_road_is_and_fades():
    labels = road_labels(car=(0.4, 0.75, 0.6, 0.9))
    size = SIZE
    lines = [
        line(320 - 0.5 * 2.6 * 200, 320, "ego left", size),
        line(320 + 0.5 * 2.6 * 200, 320, "ego right", size),
    ]
    marked, task = drawing.with_lane(labels, TASK, lines, size)
    own = marked >= len(TASK.classes)
    assert (labels[~own] == marked[~own]).all()
    assert own[345, 320]
    assert not own[300, 320], "a vehicle is not covered"
    assert not own[345, 20]
    assert not own[: int(HORIZON)].any()
    alphas = [task.classes[marked[row, 320]].alpha for row in (200, 250, 345)]
    assert alphas == sorted(alphas)
    frame = road_frame(labels)
    drawn = overlay(frame, marked, task)
    assert drawn.planes[2][345 // 2, 160] != frame.planes[2][345 // 2, 160]


def test_the_own_lane_reaches_the_bottom_where_a_line_leaves_the_frame_at_its_side():
    labels = np.ones(BIG, np.uint8)
    left = line(0, 600, "ego left")
    left = replace(left, points=left.points[left.points[:, 1] < 600])
    left.points[:, 0] -= left.points[0, 0]
    marked, _ = drawing.with_lane(labels, TASK, [left, ego()[1]], BIG)
    assert (marked[700, :900] > 3).all()


@pytest.mark.parametrize("missing", ["ego left", "ego right"])
def test_without_both_lines_there_is_no_own_lane(missing):
    labels = road_labels()
    unsure = [replace(each, confidence=0.4) for each in ego()]
    one = [each for each in ego() if each.side != missing]
    for lines in (unsure, one, []):
        marked, task = drawing.with_lane(labels, TASK, lines, BIG)
        assert marked is labels
        assert 0 < task.classes[1].alpha < TASK.classes[1].alpha


def test_the_bar_shows_the_side():
    def marker(offset, text="text"):
        frame = blank()
        draw_offset(frame, offset, text)
        near = frame.planes[1][:30].astype(int) - yuv_of(drawing.AREA, frame.colour)[1]
        return np.argwhere(np.abs(near) < 4)[:, 1].mean() * 2

    assert marker(-0.2) < 630 < marker(0.0) < 650 < marker(0.2)
    assert marker(0.2, "a text that is longer than the bar is wide") == marker(0.2, "")


def test_a_warning_is_red_and_below_the_bar():
    frame = blank()
    bottom = draw_offset(frame, 0.32, "text")
    above = [plane.copy() for plane in frame.planes]
    draw_warning(frame, "LEAVING LANE RIGHT", bottom)
    red = frame.planes[2].astype(int) - 128 > 40
    rows = np.flatnonzero(red[bottom // 2 :].any(axis=1))
    assert len(rows) > 8
    np.testing.assert_array_equal(frame.planes[0][:bottom], above[0][:bottom])


def test_the_bar_stands_below_a_text_that_reaches_the_middle():
    frame = blank()
    before = frame.planes[0].copy()
    below = draw_offset(frame, 0.0, "centred", top=80)
    changed_rows = np.flatnonzero((frame.planes[0] != before).any(axis=1))
    assert changed_rows.min() >= 80
    assert changed_rows.max() < below < 240
