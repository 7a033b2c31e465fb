"""Label maps of a straight road for tests, drawn from a pinhole camera's geometry."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from lanes.colour import default_colour, from_bgr
from lanes.types import Frame, Result

SIZE, SMALL = (352, 640), (176, 320)
HORIZON, WIDTH = 150.0, 2.6
"""The horizon's row in frames of SIZE, and the lane's width in camera heights."""


def road_labels(offset=0.0, lines=(-1.5, -0.5, 0.5, 1.5), size=SIZE, car=None):
    """Labels of the task `lanes`: solid lines at multiples of the lane's width.

    `offset` is the camera's, in lane widths to the right. `car` (left, top, right, bottom), in
    shares of the frame, hides what is behind it.
    """
    height, width = size
    top = int(HORIZON * height / SIZE[0])
    labels = np.zeros(size, np.uint8)
    labels[top + 2 :] = 1
    for line in lines:
        ends = []
        for v in (8.0 * height / SIZE[0], height - top):
            x = width / 2 + (line - offset) * WIDTH * v
            half = 0.04 * v + 0.5
            ends += [(x - half, top + v), (x + half, top + v)]
        corners = np.array([ends[0], ends[1], ends[3], ends[2]]).round().astype(np.int32)
        cv2.fillPoly(labels, [corners], 2)
    if car:
        (left, upper), (right, lower) = (
            (round(x * width), round(y * height)) for x, y in (car[:2], car[2:])
        )
        labels[upper:lower, left:right] = 0
    return labels


def road_frame(labels, index=0, rate=25, name=""):
    """A grey frame with bright paint where the labels have lines."""
    image = np.where(labels[..., None] >= 2, 200, 90).repeat(3, axis=2).astype(np.uint8)
    colour = default_colour(labels.shape[0])
    planes = from_bgr(image, colour)
    return Frame(planes, colour, index, index, Fraction(1, rate), name)


def road_result(offset=0.0, index=0, rate=25, **road):
    """A result of a pipeline with these labels."""
    labels = road_labels(offset, **road)
    return Result(road_frame(labels, index, rate), labels, {"infer": 0.01})


def drift(peak, steps=20, rest=12):
    """Offsets of a car that rests, drifts to `peak` lane widths, returns and rests."""
    rise = np.linspace(0, peak, steps)
    return [*np.zeros(rest), *rise, *rise[::-1], *np.zeros(rest)]


OFFSETS = drift(0.42)
"""Of a clip in which the car departs to the right."""


def draw_road(number, size):
    """A frame of that clip: grey values that the model of known labels reads as a road."""
    labels = road_labels(OFFSETS[number], size=size)
    return np.array([40, 128, 210], np.uint8)[labels][..., None].repeat(3, axis=2)
