"""Metres from a calibration; the vanishing point over time; the view from above."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from drawn_roads import HORIZON, MIDDLE, SIZE, road
from lanes.errors import BadConfig
from lanes.lines.bundle import usual_bundle
from lanes.lines.camera import (
    Calibration,
    VanishingPoint,
    birds_eye,
    calibrated_bundle,
    ground_matrix,
    read_calibration,
)
from lanes.lines.find import find
from lanes.lines.track import LineTracker
from lanes.synthetic.road import demo_scene, render
from lanes.synthetic.view import view

HALF_FOV = math.degrees(math.atan(0.5))


def written(tmp_path, text):
    path = tmp_path / "camera.toml"
    path.write_text(text)
    return path


def test_a_field_of_view_and_a_focal_length_say_the_same(tmp_path):
    fov = read_calibration(written(tmp_path, f"height = 1.4\nfov = {2 * HALF_FOV}\npitch = 2"))
    focal = read_calibration(
        written(tmp_path, "height = 1.4\nfocal_length = 1280\nimage_width = 1280")
    )
    assert fov.height == focal.height == 1.4
    assert fov.focal((720, 1280)) == pytest.approx(1280)
    assert focal.focal((352, 640)) == pytest.approx(640)
    assert fov.pitch == pytest.approx(math.radians(2))
    assert focal.pitch is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("height = ", "cannot be read as TOML"),
        ("height = 1.4\nfov = 60\nroll = 1", "has 'roll'"),
        ("fov = 60", "height is None"),
        ("height = 0\nfov = 60", "height is 0"),
        ("height = 1.4\nfov = nan", "fov is nan"),
        ("height = 1.4\nfov = true", "fov is True"),
        ("height = 1.4", "either fov"),
        ("height = 1.4\nfov = 60\nfocal_length = 500", "either fov"),
        ("height = 1.4\nfocal_length = 500", "image_width is None"),
        ("height = 1.4\nfov = 60\npitch = '2'", "pitch is '2'"),
    ],
)
def test_wrong_calibrations(text, message, tmp_path):
    with pytest.raises(BadConfig, match=message):
        read_calibration(written(tmp_path, text))


def test_a_missing_file(tmp_path):
    with pytest.raises(BadConfig, match=r"none\.toml"):
        read_calibration(tmp_path / "none.toml")


def test_a_pitch_sets_the_horizon():
    """A camera that looks down sees the horizon above the middle."""
    down = Calibration(1.4, math.radians(60), math.radians(3))
    horizon = down.horizon(SIZE)
    assert horizon == pytest.approx(175.5 - down.focal(SIZE) * math.tan(math.radians(3)))
    bundle = calibrated_bundle(down, SIZE)
    assert bundle.horizon == horizon
    assert bundle.spread[1, 1] < usual_bundle(SIZE).spread[1, 1] / 10
    level = replace(down, pitch=None)
    assert calibrated_bundle(level, SIZE).horizon == usual_bundle(SIZE).horizon
    assert calibrated_bundle(None, SIZE).horizon == usual_bundle(SIZE).horizon


def test_a_calibrated_pitch_holds_with_one_line():
    """One line alone says little about the horizon."""
    camera = Calibration(1.4, math.radians(60), 0.0)
    tracker = LineTracker(camera)
    tracker.update(road(1.2))
    assert abs(tracker.found.bundle.horizon - camera.horizon(SIZE)) < 8


def test_the_vanishing_point_settles_in_a_drive():
    made = demo_scene()
    seen = view(made.camera, 0.0, SIZE)
    point, tracker = VanishingPoint(SIZE), LineTracker()
    before = point.spread[1, 1]
    for i in range(15):
        tracker.update(render(made, SIZE, i / 10)[1], seconds=0.1)
        point.update(tracker.found.bundle, 0.1)
    assert point.y == pytest.approx(seen.horizon - 0.5, abs=2.5)
    assert point.x == pytest.approx(SIZE[1] / 2 - 0.5, abs=4)
    assert point.spread[1, 1] < before / 50


def test_frames_without_lines_teach_nothing():
    point = VanishingPoint(SIZE)
    nothing = find(np.zeros(SIZE, np.uint8), SIZE).bundle
    x, y = point.x, point.y
    for _ in range(20):
        point.update(nothing, 0.04)
    assert (point.x, point.y) == (x, y)


def test_the_ground_matrix_inverts_the_renderers_camera():
    """Points of the road come out where they are, in metres."""
    made = demo_scene()
    camera = replace(made.camera, horizon=0.5, yaw=0.0, roll=0.0)
    seen = view(camera, 0.0, SIZE)
    ground = np.array([[-1.8, 0, 8.0], [1.8, 0, 8.0], [3.0, 0, 40.0]])
    pixels = np.column_stack([seen.project(ground), np.ones(3)])
    middle = SIZE[1] / 2 - 0.5, SIZE[0] / 2 - 0.5
    found = ground_matrix(*middle, seen.focal, camera.height) @ pixels.T
    np.testing.assert_allclose((found[:2] / found[2]).T, ground[:, [0, 2]], rtol=1e-6)


def test_lines_are_parallel_from_above():
    labels = road(-1.2, 1.2)
    image, matrix = np.dstack([labels * 100] * 3), ground_matrix(MIDDLE, HORIZON)
    above = birds_eye(image, matrix, (200, 121), 3.0, (1 / 190, 1 / 40))
    columns = [np.flatnonzero(row).tolist() for row in above[20:180:20, :, 0] > 100]
    left = [np.mean([c for c in row if c < 60]) for row in columns]
    right = [np.mean([c for c in row if c > 60]) for row in columns]
    assert np.ptp(left) < 3
    assert np.ptp(right) < 3
    assert np.mean(right) - np.mean(left) == pytest.approx(2.4 * 120 / 6, abs=1.5)
