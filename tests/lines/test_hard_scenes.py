"""Rendered and drawn scenes in which lines are hard to find: no certain line may be wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drawn_roads import HORIZON, MIDDLE, road
from lanes.lines.lane_lines import CERTAIN, find_lines
from lanes.synthetic.road import render, scene
from lanes.synthetic.true_lines import true_lines
from lanes.synthetic.world import WHITE, YELLOW, Car, Glass, Hatch
from line_truth import SIZE, matched

TIMES = (0.0, 0.7, 1.9, 3.1)
EGO = {"ego left", "ego right"}
ROWS = np.arange(220.0, 350, 5)


def highway(**changes):
    """A straight, flat road by day with three lanes, the car in the middle one."""
    made = scene(5_000_156)
    lines = tuple(replace(line, away=0.0, wear=0.1) for line in made.road.lines)
    bare = replace(made.road, lines=lines, bends=(), slope_change=0.0)
    camera = replace(made.camera, offset=0.2, yaw=0.0, roll=0.0, speed=20.0)
    made = replace(made, road=bare, camera=camera, cars=())
    return replace(made, **changes)


def of_road(**changes):
    return highway(road=replace(highway().road, **changes))


def frames(made, paint_only=False):
    """Picture, labels and true lines; without implied lines as a model that sees only paint."""
    for seconds in TIMES:
        picture, labels = render(made, SIZE, seconds)
        if paint_only:
            labels[labels == 3] = 1
        yield picture, labels, true_lines(made, SIZE, seconds)


def marks_taken_for_lines(made, plain):
    """Labels in which whatever paint `made` has more than `plain` is labelled as lines."""
    for seconds in TIMES:
        picture, labels = render(made, SIZE, seconds)
        other = render(plain, SIZE, seconds)[0]
        marks = np.abs(picture.astype(int) - other).max(axis=2) > 25
        labels[marks & (labels == 1)] = 2
        assert marks.any()
        yield picture, labels, true_lines(made, SIZE, seconds)


def check(given, wanted=EGO, judged=None):
    """Every certain line is a true one, and those of the own lane are found; gives all lines.

    `judged` are the sides that are looked at, by default all.
    """
    found = []
    for picture, labels, truth in given:
        lines = find_lines(labels, picture)
        sides = {}
        for line in lines:
            if line.confidence < CERTAIN or (judged and line.side not in judged):
                continue
            true = matched(line, truth)
            assert true, (line.side, line.confidence, line.points[0])
            if line.side:
                assert ("left" in line.side) == (true.right < 0)
                sides[line.side] = line
            found.append((line, true))
        assert wanted <= set(sides), [(line.side, line.confidence) for line in lines]
    return found


def kinds_are_right(found, least=0.5):
    told = [line.kind == true.kind for line, true in found if line.kind]
    assert len(told) >= least * len(found)
    assert np.mean(told) >= 0.9


@pytest.mark.parametrize("marks", ["arrows", "crossings"])
def test_arrows_crossings_and_stop_lines(marks):
    check(marks_taken_for_lines(of_road(**{marks: True}), highway()))


@pytest.mark.parametrize("takes", [False, True])
def test_hatching_on_the_shoulder_or_where_a_lane_ends(takes):
    edge = highway().road.right
    outer, width = (edge, highway().road.lane_width - 0.15) if takes else (edge + 2.0, 1.8)
    hatch = Hatch(outer, width, 0.0, 100.0, 120.0, 30.0, 0.5, 1.0, 1.0, WHITE, takes)
    # The borders of hatching are painted lines too, which the truth does not list.
    check(frames(highway(hatch=hatch)), judged=EGO)


def test_double_lines():
    lines = highway().road.lines
    left = max((line for line in lines if line.t < 0), key=lambda line: line.t)
    pair = [replace(left, t=left.t + aside, gap=0.0, colour=YELLOW) for aside in (-0.14, 0.14)]
    rest = [line for line in lines if line is not left]
    found = check(frames(of_road(lines=(*pair, *rest))))
    doubles = [line for line, true in found if true.kind == "double"]
    assert np.mean([line.kind == "double" for line in doubles]) > 0.7
    assert {line.colour for line in doubles} == {"yellow"}


@pytest.mark.parametrize("paint_only", [False, True])
def test_worn_paint(paint_only):
    lines = tuple(replace(line, away=0.6, wear=0.5) for line in highway().road.lines)
    check(frames(of_road(lines=lines), paint_only), set() if paint_only else EGO)


def test_night():
    kinds_are_right(check(frames(highway(light=scene(5_000_002).light))))


def test_rain_at_night():
    light = replace(scene(5_000_002).light, wet=0.9)
    kinds_are_right(check(frames(highway(light=light, glass=Glass(rain=0.9)))))


def test_rain_by_day():
    light = replace(highway().light, wet=0.9, shadows=0.0)
    kinds_are_right(check(frames(highway(light=light, glass=Glass(rain=0.9)))))


@pytest.mark.parametrize("paint_only", [False, True])
def test_a_vehicle_that_fills_the_view(paint_only):
    """What lies behind it may be missing, but nothing is made up."""
    truck = Car(6.0, 0.0, 0.0, 2.5, 9.0, 3.6, (40.0, 40.0, 140.0), False, "truck")
    check(frames(highway(cars=(truck,)), paint_only), set() if paint_only else EGO)


@pytest.mark.parametrize("radius", [-250, -120, 120, 250])
def test_sharp_bends(radius):
    omega = 2 * np.pi / 700
    bends = ((1 / radius / omega**2, omega, -np.pi / 2),)
    check(frames(of_road(bends=bends)))


@pytest.mark.parametrize("slope_change", [-0.0008, -0.0003, 0.0003, 0.0008])
def test_crests_and_dips(slope_change):
    check(frames(of_road(slope_change=slope_change)))


def along(labels, place):
    """Draw a line whose place, in camera heights, depends on the rows below the horizon."""
    for row in range(HORIZON + 12, SIZE[0]):
        v = row - HORIZON
        left, right = (MIDDLE + (place(v) + aside) * v for aside in (-0.05, 0.05))
        labels[row, max(round(left), 0) : max(round(right) + 1, 0)] = 2
    return labels


@pytest.mark.parametrize("side", [-1, 1])
def test_lanes_that_merge_or_split(side):
    """The lane beside the own one begins or ends 40 rows below the horizon."""
    outer = 3.6

    def place(v):
        return side * (1.2 + (outer - 1.2) * min(max((v - 40) / 80, 0.0), 1.0))

    lines = find_lines(along(road(-1.2, 1.2), place))
    sure = {line.side: line for line in lines if line.confidence >= CERTAIN}
    assert set(sure) >= EGO
    for name, at in (("ego left", -1.2), ("ego right", 1.2)):
        exact = MIDDLE + at * (ROWS - HORIZON)
        assert np.nanmax(np.abs(sure[name].x_at(ROWS) - exact)) < 6
    for one, other in zip(lines, lines[1:], strict=False):
        assert np.nanmin(other.x_at(ROWS) - one.x_at(ROWS)) > 0


@pytest.mark.parametrize("side", [-1, 1])
def test_an_exit_that_leaves_the_road(side):
    """A line runs off to the side, away from the vanishing point of the others."""
    labels = road(-1.2, 1.2)
    lines = find_lines(along(labels, lambda v: side * (1.5 + 60 / v)))
    sure = {line.side: line for line in lines if line.confidence >= CERTAIN}
    assert set(sure) >= EGO
    for name, at in (("ego left", -1.2), ("ego right", 1.2)):
        exact = MIDDLE + at * (ROWS - HORIZON)
        assert np.nanmax(np.abs(sure[name].x_at(ROWS) - exact)) < 6
