"""The exact lane lines of a synthetic frame: where they run, their kind and their colour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.view import NEAR, path, view
from lanes.synthetic.world import REACH, YELLOW, Line, Scene
from lanes.types import Size

DOUBLE = 0.4
"""Two lines closer than this, in metres, are one double line."""


@dataclass(frozen=True)
class TrueLine:
    """One line of the road as the camera sees it.

    `points` (N, 2) are x, y in pixels, from the bottom of the picture upwards, also where nothing
    of the line is seen. `right` is its distance to the right of the camera, in metres. `kind` is
    "solid", "dashed" or "double", `colour` "white" or "yellow". `worn` is the share of its length
    that has lost its paint.
    """

    points: NDArray[np.float64]
    right: float
    kind: str
    colour: str
    worn: float

    def x_at(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Its x in pixel rows; NaN above its end."""
        x, y = self.points.T
        return np.asarray(np.interp(rows, y[::-1], x[::-1], left=np.nan, right=np.nan))


def true_lines(scene: Scene, size: Size, seconds: float = 0.0) -> list[TrueLine]:
    """The lines of a frame of `render(scene, size, seconds)`, from left to right.

    A line ends where it is half a pixel wide, like its label, or behind the crest of a hill.
    """
    offset, s = scene.offset(seconds), scene.camera.speed * seconds
    v = view(scene.camera, scene.road.slope_change, size)
    ahead = np.geomspace(NEAR, REACH, 600)
    shift = path(scene.road, s, ahead)
    found = []
    for lines in _together(scene.road.lines):
        right = sum(line.t for line in lines) / len(lines) - offset
        ground = np.stack([right + shift, np.zeros_like(ahead), ahead], axis=1)
        width = min(line.width for line in lines)
        points = _visible(v.project(ground), v.focal * width / ahead)
        if len(points) > 1:
            found.append(_named(points, right, lines))
    return found


def curvature(scene: Scene, seconds: float = 0.0) -> float:
    """The curvature of the road at the camera, in 1/m; > 0 bends to the right."""
    s = scene.camera.speed * seconds
    return -sum(a * w * w * float(np.sin(w * s + phase)) for a, w, phase in scene.road.bends)


def _together(lines: tuple[Line, ...]) -> list[list[Line]]:
    """The lines from left to right, with those that form a double line in one list."""
    ordered = sorted(lines, key=lambda line: line.t)
    groups = [ordered[:1]] if ordered else []
    for left, right in pairwise(ordered):
        if right.t - left.t < DOUBLE:
            groups[-1].append(right)
        else:
            groups.append([right])
    return groups


def _visible(points: NDArray[np.float64], wide: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points up to the crest of the hill, or where the paint is half a pixel thick.

    `wide` (N,) is the width of the paint along its pixel row.
    """
    rising = np.minimum.accumulate(points[:, 1]) >= points[:, 1]
    dx, dy = np.gradient(points, axis=0).T
    thick = wide * np.abs(dy) / np.maximum(np.hypot(dx, dy), 1e-9)
    return np.asarray(points[rising & (thick >= 0.5)])


def _named(points: NDArray[np.float64], right: float, lines: list[Line]) -> TrueLine:
    kind = "double" if len(lines) > 1 else "dashed" if lines[0].gap else "solid"
    colour = "yellow" if lines[0].colour == YELLOW else "white"
    return TrueLine(points, right, kind, colour, max(line.away for line in lines))
