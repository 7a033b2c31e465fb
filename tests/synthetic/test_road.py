"""The synthetic road: the same seed draws the same, labels fit the picture, the world moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lanes.synthetic.road import demo_scene, render, scene
from lanes.synthetic.view import view
from lanes.synthetic.world import REACH, Glass

SMALL = (144, 256)


def empty_demo():
    """The demo's road without traffic, shadows or noise."""
    whole = demo_scene()
    light = replace(whole.light, noise=0.0, shadows=0.0)
    return replace(whole, cars=(), props=(), light=light)


def test_the_same_seed_draws_the_same():
    first = render(scene(7), SMALL, 1.5)
    again = render(scene(7), SMALL, 1.5)
    assert scene(7) == scene(7)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_seeds_differ():
    assert scene(1) != scene(2)
    assert (render(scene(1), SMALL)[0] != render(scene(2), SMALL)[0]).mean() > 0.5


@pytest.mark.parametrize("size", [(64, 64), (65, 131), (200, 90), SMALL, (720, 1280)])
@pytest.mark.parametrize("seed", [0, 5])
def test_any_size(seed, size):
    image, labels = render(scene(seed), size)
    assert image.shape == (*size, 3)
    assert labels.shape == size
    assert image.dtype == labels.dtype == np.uint8
    assert labels.max() <= 3


def test_every_class_in_nearly_every_scene():
    present = [set(np.unique(render(scene(seed), SMALL, 2.0)[1])) for seed in range(24)]
    assert all(ids <= {0, 1, 2, 3} for ids in present)
    assert sum(ids >= {0, 1, 2} for ids in present) >= 21


@pytest.mark.parametrize("seed", [None, *range(16)])
def test_lines_are_brighter_than_the_road_beside_them(seed):
    """By day, with paint hardly worn, what is labelled a line is the brightest of its row."""
    made = empty_demo() if seed is None else scene(seed)
    fresh = tuple(replace(line, wear=0.0) for line in made.road.lines)
    road = replace(made.road, lines=fresh, damage=0.0, arrows=False, crossings=False)
    light = replace(empty_demo().light, blur=0.0)
    made = replace(made, road=road, light=light, cars=(), props=(), glass=Glass())
    image, labels = render(made, (360, 640), 1.0)
    red = image[..., 2].astype(float)
    line, asphalt = red[labels == 2], red[labels == 1]
    assert np.median(line) > np.median(asphalt) + 40
    threshold = (np.median(line) + np.median(asphalt)) / 2
    assert (red[labels == 1] > threshold).mean() < 0.02


def test_dashes_are_paint_and_gaps_are_implied_along_one_band():
    """A dashed line has 3 in its gaps, 2 on its dashes, and is as wide as if it were solid."""
    made = empty_demo()
    solid = tuple(replace(line, dash=0.0, gap=0.0) for line in made.road.lines)
    whole = render(replace(made, road=replace(made.road, lines=solid)), SMALL, 1.0)[1]
    dashed = render(made, SMALL, 1.0)[1]
    np.testing.assert_array_equal(whole >= 2, dashed >= 2)
    assert not (whole == 3).any()
    assert (dashed == 3).sum() > (dashed == 2).sum() / 4


def test_paint_worn_away_is_an_implied_line():
    made = empty_demo()
    worn = tuple(replace(line, away=0.5) for line in made.road.lines)
    other = replace(made, road=replace(made.road, lines=worn))
    shares = []
    for second in range(6):
        fresh, truth = render(made, SMALL, second)
        image, labels = render(other, SMALL, second)
        np.testing.assert_array_equal(labels >= 2, truth >= 2)
        gone = (labels == 3) & (truth == 2)
        shares.append(gone.sum() / (truth == 2).sum())
        assert image[gone].mean() < fresh[gone].mean()
    assert 0.2 < np.mean(shares) < 0.8


def dash_ends(seconds):
    """Metres ahead where a dash of the demo's left dashed line begins, seen in the labels."""
    made = empty_demo()
    made = replace(made, road=replace(made.road, bends=(), slope_change=0.0))
    size = (720, 1280)
    seen = view(made.camera, 0.0, size)
    labels = render(made, size, seconds)[1][seen.top :]
    t = made.road.lines[1].t
    column = np.abs(seen.across - t).argmin(axis=1)
    rows = np.arange(len(labels))
    dash = labels[rows, column] == 2
    ahead = seen.depth[rows, column]
    begins = np.flatnonzero(~dash[1:] & dash[:-1])
    return [float(d) for d in ahead[begins] if 6 < d < 25]


def test_dashes_come_nearer_at_the_cars_speed():
    speed = demo_scene().camera.speed
    period = 12.0
    first, later = dash_ends(0.0), dash_ends(0.1)
    assert first
    assert later
    moved = (first[0] - later[0]) % period
    assert moved == pytest.approx((0.1 * speed) % period, abs=0.25)


def test_a_period_of_dashes_later_the_labels_are_the_same():
    """The texture may differ, the geometry of a straight road may not."""
    made = empty_demo()
    dashed = tuple(line for line in made.road.lines if line.t > -6)
    made = replace(made, road=replace(made.road, bends=(), lines=dashed))
    second = 12.0 / made.camera.speed
    now, then = (render(made, SMALL, k * second)[1] for k in (0, 1))
    assert (now != then).mean() < 0.001


def test_cars_hide_the_road():
    made = demo_scene()
    with_cars = render(made, SMALL)[1]
    without = render(replace(made, cars=()), SMALL)[1]
    changed = with_cars != without
    assert np.all((with_cars[changed] == 0) | (without[changed] == 2))
    assert np.all(with_cars[changed & (without == 1)] == 0)


def test_a_line_runs_on_behind_a_vehicle():
    made = empty_demo()
    on_the_line = replace(demo_scene().cars[0], s=12.0, t=made.road.lines[3].t)
    with_car = render(replace(made, cars=(on_the_line,)), SMALL)[1]
    without = render(made, SMALL)[1]
    np.testing.assert_array_equal(with_car >= 2, without >= 2)
    assert ((with_car == 3) & (without == 2)).any()


def test_the_view_projects_what_it_meets():
    """A ground point of a pixel's ray projects back into the middle of that pixel."""
    made = scene(4)
    seen = view(made.camera, made.road.slope_change, SMALL)
    for row, column in ((60, 30), (20, 200), (50, 128)):
        ahead, right = float(seen.depth[row, column]), float(seen.across[row, column])
        assert ahead < REACH
        pixel = seen.project(np.array([[right, 0.0, ahead]]))[0]
        assert pixel == pytest.approx((column, row + seen.top), abs=0.01)
