"""Hatching, tunnels, rain, glare, dashboards and bars: what is drawn, and what is labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lanes.synthetic.road import demo_scene, render, scene
from lanes.synthetic.world import WHITE, Glass, Hatch, Scene, Tunnel

SIZE = (180, 320)


def bare():
    """The demo's road without traffic, shadows or noise."""
    whole = demo_scene()
    light = replace(whole.light, noise=0.0, shadows=0.0)
    return replace(whole, cars=(), props=(), light=light)


def bright(image):
    """Where the picture is as bright as fresh paint."""
    return image.min(axis=2) > 170


def hatch(takes):
    """Stripes over the demo's right lane, or over its right shoulder."""
    right = demo_scene().road.right
    outer, width = (right, 3.4) if takes else (right + 3.0, 2.8)
    return Hatch(outer, width, 0.0, 60.0, 90.0, 15.0, 0.5, 1.0, 1.0, WHITE, takes)


def plain(made: Scene) -> bool:
    return (made.hatch, made.tunnel, made.glass) == (None, None, Glass())


def test_the_demo_and_about_half_of_the_scenes_have_nothing_extra():
    assert plain(demo_scene())
    assert 0.4 < np.mean([plain(scene(seed)) for seed in range(300)]) < 0.6


def test_every_extra_is_drawn_by_some_seed():
    made = [scene(seed) for seed in range(300)]
    assert any(one.hatch is not None and one.hatch.takes for one in made)
    assert any(one.hatch is not None and not one.hatch.takes for one in made)
    assert any(one.tunnel for one in made)
    for name in ("rain", "glare", "reflection", "dashboard"):
        assert any(getattr(one.glass, name) for one in made), name
    assert any(one.glass.bars[0] for one in made)
    assert any(one.glass.bars[1] for one in made)


def test_lines_wear_no_fainter_than_can_be_seen():
    made = [line for seed in range(100) for line in scene(seed).road.lines]
    assert max(line.wear for line in made) <= 0.55
    assert 0.2 < np.mean([line.away > 0 for line in made]) < 0.5
    assert all(0 <= line.away < 1 for line in made)


@pytest.mark.parametrize("mark", ["crossings", "arrows"])
def test_crossings_stop_lines_and_arrows_are_drivable(mark):
    without = bare()
    marked = replace(without, road=replace(without.road, **{mark: True}))
    seen = 0
    for second in range(4):
        image, labels = render(marked, (360, 640), second)
        before, truth = render(without, (360, 640), second)
        np.testing.assert_array_equal(labels, truth)
        new = bright(image) & ~bright(before)
        seen += (labels[new] == 1).sum()
    assert seen > 50


@pytest.mark.parametrize("takes", [False, True])
def test_hatching_is_paint(takes):
    without = bare()
    hatched = replace(without, hatch=hatch(takes))
    image, labels = render(hatched, SIZE, 1.0)
    before, truth = render(without, SIZE, 1.0)
    new = (labels == 2) & (truth < 2)
    assert new.sum() > 200
    assert np.median(image[new]) > np.median(before[new]) + 40
    kept = labels == truth
    # A lane that it takes is not drivable between its stripes; a shoulder never was.
    lost = (labels == 0) & (truth == 1)
    assert lost.any() == takes
    assert np.all(kept | new | lost)
    assert bright(image)[lost].mean() < 0.1 if takes else True


def test_hatching_behind_a_vehicle_is_nothing():
    made = replace(bare(), hatch=hatch(takes=False))
    car = replace(demo_scene().cars[0], s=10.0, t=made.road.right + 1.5)
    labels = render(replace(made, cars=(car,)), SIZE)[1]
    without = render(replace(made, cars=()), SIZE)[1]
    hidden = (without == 2) & (labels == 0)
    assert hidden.sum() > 20
    assert labels.max() <= 3


def test_a_dashboard_is_background():
    made = replace(bare(), glass=Glass(dashboard=0.2))
    image, labels = render(made, SIZE)
    truth = render(bare(), SIZE)[1]
    covered = labels != truth
    assert np.all(labels[covered] == 0)
    assert covered[: SIZE[0] // 2].sum() == 0
    assert np.all(labels[-4:] == 0)
    assert image[-4:].mean() < 60


def test_a_bonnet_is_background():
    made = replace(bare(), camera=replace(bare().camera, bonnet=0.15))
    labels = render(made, SIZE)[1]
    assert np.all(labels[-3:] == 0)
    assert render(bare(), SIZE)[1][-3:].any()


def test_bars_are_black_and_background():
    image, labels = render(replace(bare(), glass=Glass(bars=(0.1, 0.125))), SIZE)
    for array in (image, labels):
        assert not array[:18].any()
        assert not array[-18:].any()
        assert not array[:, :40].any()
        assert not array[:, -40:].any()
    truth = render(bare(), SIZE)[1]
    np.testing.assert_array_equal(labels[18:-18, 40:-40], truth[18:-18, 40:-40])


@pytest.mark.parametrize("glass", [Glass(rain=1.0), Glass(glare=1.0), Glass(reflection=1.0)])
def test_what_is_on_the_glass_leaves_the_labels(glass):
    image, labels = render(replace(bare(), glass=glass), SIZE)
    before, truth = render(bare(), SIZE)
    np.testing.assert_array_equal(labels, truth)
    assert (image != before).any()


def test_a_tunnel_hides_the_sky_and_leaves_the_road():
    left, right = bare().road.paved[0]
    lamp = (120.0, 205.0, 255.0)
    around = Tunnel(left - 0.8, right + 0.8, 5.0, 8.0, 1, lamp, (90.0, 95.0, 97.0), False)
    made = bare()
    made = replace(made, road=replace(made.road, rails=(), paved=made.road.paved[:1]))
    image, labels = render(replace(made, tunnel=around), SIZE)
    before, truth = render(made, SIZE)
    sky = np.s_[: SIZE[0] // 3]
    assert image[sky].mean() < before[sky].mean() - 40
    # Its walls hide the road only far away, round the bend.
    np.testing.assert_array_equal(labels[SIZE[0] // 2 :], truth[SIZE[0] // 2 :])
    assert (labels != truth).mean() < 0.01


@pytest.mark.parametrize("seed", [2, 36, 43, 53])
def test_a_seed_gives_the_same_picture_each_time(seed):
    """Also after others were drawn: what is kept from one frame to the next changes nothing."""
    image, labels = render(scene(seed), SIZE, 3.0)
    for other in range(5):
        render(scene(other), SIZE)
    again = render(scene(seed), SIZE, 3.0)
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert not plain(scene(seed))
