"""Exact lines lie where the renderer labels them; planned moves shift the camera."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lanes.synthetic.road import demo_scene, render, scene
from lanes.synthetic.true_lines import curvature, true_lines
from lanes.synthetic.view import path
from lanes.synthetic.world import Glass, Move

SIZE = (352, 640)


def bare(seed):
    """A scene without anything that hides the road."""
    made = scene(seed)
    camera = replace(made.camera, bonnet=0.0)
    road = replace(made.road, rails=())
    return replace(made, camera=camera, road=road, cars=(), props=(), glass=Glass(), tunnel=None)


@pytest.mark.parametrize("seed", range(12))
def test_lines_run_through_their_labels(seed):
    made = bare(seed)
    # Far lines are thinner than a pixel: their labels lie within one.
    near_line = cv2.dilate((render(made, SIZE, 1.0)[1] >= 2).astype(np.uint8), np.ones((3, 3)))
    hits = []
    for line in true_lines(made, SIZE, 1.0):
        x, y = np.rint(line.points).astype(int).T
        inside = (x >= 0) & (x < SIZE[1]) & (y >= 0) & (y < SIZE[0])
        if line.kind != "double":
            hits.append(near_line[y[inside], x[inside]])
    assert np.concatenate(hits).mean() > 0.97


def test_demo_has_its_seven_lines():
    lines = true_lines(demo_scene(), SIZE)
    assert [line.kind for line in lines] == [
        *("solid", "dashed", "solid"),
        *("solid", "dashed", "dashed", "solid"),
    ]
    assert [line.colour for line in lines][2:4] == ["yellow", "yellow"]
    assert [line.right for line in lines][-2:] == pytest.approx([1.8, 5.3])


def test_two_close_lines_are_a_double_line():
    made = demo_scene()
    one = made.road.lines[0]
    lines = (one, replace(one, t=one.t + 0.28))
    found = true_lines(replace(made, road=replace(made.road, lines=lines)), SIZE)
    assert [(line.kind, line.colour) for line in found] == [("double", "yellow")]
    assert found[0].right == pytest.approx(one.t + 0.14)


def test_a_move_shifts_the_camera():
    made = replace(demo_scene(), moves=(Move(start=1.0, seconds=4.0, across=3.6),))
    assert [made.offset(t) for t in (0.0, 1.0, 3.0, 5.0, 9.0)] == pytest.approx(
        [0, 0, 1.8, 3.6, 3.6]
    )
    before, after = (true_lines(made, SIZE, t) for t in (0.0, 6.0))
    assert after[-1].right == pytest.approx(before[-1].right - 3.6)
    assert (render(made, SIZE, 6.0)[1] != render(demo_scene(), SIZE, 6.0)[1]).mean() > 0.01
    np.testing.assert_array_equal(render(made, SIZE, 0.5)[0], render(demo_scene(), SIZE, 0.5)[0])


def test_curvature_is_the_paths_second_derivative():
    made = scene(3)
    step = 0.5
    ahead = np.array([0.0, step, 2 * step])
    second = np.diff(path(made.road, made.camera.speed * 2.0, ahead), 2)[0] / step**2
    assert curvature(made, 2.0) == pytest.approx(second, abs=1e-5)
