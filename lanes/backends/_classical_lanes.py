"""Lane lines by edge detection and the Hough transform.

Finds bright, narrow, straight shapes below the horizon that point to its middle. Edges are Canny's
("A Computational Approach to Edge Detection", PAMI 1986); lines come from the Hough transform (Duda
& Hart, "Use of the Hough Transformation to Detect Lines and Curves in Pictures", CACM 1972) in its
progressive probabilistic form (Matas, Galambos & Kittler, CVIU 2000). It handles no cars, no curves
and no unpainted roads: the baseline that a network must beat. The constants were tuned by hand on
the "choose" splits of the data sets.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import Image, LabelMap, Size

DRIVABLE, LANE_LINE = 1, 2
"""Ids of the task `lanes`."""
Segments = NDArray[np.float64]
"""(N, 4): x and y of each segment's lower end, then of its upper end, in pixels."""

HEIGHT = 352
"""Image height at which the pixel constants below apply; they scale with it."""
HORIZON = 0.5
"""Where the road begins, as a share of the image height; dashcams are roughly level."""
TOP, BOTTOM = (0.40, 0.60), (-0.2, 1.2)
"""Left and right edge of the region of interest at the horizon and the bottom, / width."""
AIM = (0.33, 0.67)
"""The part of the horizon that a lane line must point to, as shares of the width."""
WIDEST = 40
"""Width of the widest paint, in pixels."""
CANNY = (20, 60)
"""Gradient thresholds: edges start above the second and continue above the first."""
VOTES, SHORTEST, LONGEST_GAP = 25, 25, 40
"""Hough: votes for a line; its minimum length and maximum gap, in pixels."""
FLATTEST = 0.35
"""Minimum slope of a line, rise over run; flatter ones lie across the road or off it."""
SAME_LINE = 0.1
"""Maximum distance between the feet of segments of one line, as a share of the width."""
THICKNESS = 4
"""Width of a drawn line, in pixels."""


class Line(NamedTuple):
    """A whole lane line: its x at the bottom of the image and at the horizon, in pixels."""

    foot: float
    aim: float


def lane_lines(image: Image) -> LabelMap:
    """Labels (H, W) of the task `lanes`: lane line segments, and the lane between two of them.

    The lane is drivable only if there is a line on both sides of the image centre.
    """
    height, width = image.shape[:2]
    segments = _towards_the_horizon(_segments(_edges(_paint(image))), (height, width))
    labels = np.zeros((height, width), np.uint8)
    left, right = (_nearest(segments, side, (height, width)) for side in (-1, 1))
    if left and right:
        _fill_lane(labels, left, right, top=float(segments[:, 3].min()))
    for x1, y1, x2, y2 in np.rint(segments).astype(int).tolist():
        cv2.line(labels, (x1, y1), (x2, y2), LANE_LINE, round(_pixels(THICKNESS, height)))
    return labels


def _pixels(count: int, height: int) -> float:
    return max(1.0, count * height / HEIGHT)


def _paint(image: Image) -> NDArray[np.uint8]:
    """How much brighter each pixel is than the road next to it, 0..255, for white and yellow.

    White and yellow are bright in both green and red, so the minimum of the two keeps only them.
    The top-hat removes whatever is wider than paint.
    """
    # An even width would shift the opening by a pixel.
    kernel = np.ones((1, round(_pixels(WIDEST, image.shape[0])) | 1), np.uint8)
    bright = np.minimum(image[..., 1], image[..., 2])
    return np.asarray(cv2.morphologyEx(bright, cv2.MORPH_TOPHAT, kernel), np.uint8)


def _edges(paint: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Edges of the paint inside the region of interest, 0 or 255."""
    height, width = paint.shape
    edges = cv2.Canny(cv2.GaussianBlur(paint, (3, 3), 0), *CANNY)
    xs = np.array([BOTTOM[0], TOP[0], TOP[1], BOTTOM[1]]) * width
    ys = np.array([1, HORIZON, HORIZON, 1]) * height
    region = np.zeros_like(paint)
    cv2.fillConvexPoly(region, np.stack([xs, ys], 1).astype(np.int32), 255)
    return np.asarray(cv2.bitwise_and(edges, region), np.uint8)


def _segments(edges: NDArray[np.uint8]) -> Segments:
    """The straight lines in an edge map."""
    votes, shortest, gap = (_pixels(n, edges.shape[0]) for n in (VOTES, SHORTEST, LONGEST_GAP))
    found = cv2.HoughLinesP(
        edges, 1, np.pi / 180, round(votes), minLineLength=shortest, maxLineGap=gap
    )
    if found is None:
        return np.zeros((0, 4))
    ends = found.reshape(-1, 2, 2).astype(float)
    lower_first = np.argsort(-ends[:, :, 1], axis=1)
    return np.take_along_axis(ends, lower_first[:, :, None], axis=1).reshape(-1, 4)


def _at(segments: Segments, y: float) -> NDArray[np.float64]:
    """The x of each segment, extended to the height `y`."""
    x1, y1, x2, y2 = segments.T
    return np.asarray(x1 + (y - y1) * (x2 - x1) / (y2 - y1))


def _towards_the_horizon(segments: Segments, size: Size) -> Segments:
    """The segments that are steep enough and point to the middle of the horizon."""
    height, width = size
    x1, y1, x2, y2 = segments.T
    steep = segments[y1 - y2 > FLATTEST * np.abs(x2 - x1)]
    aim = _at(steep, HORIZON * height) / width
    return np.asarray(steep[(aim > AIM[0]) & (aim < AIM[1])])


def _nearest(segments: Segments, side: int, size: Size) -> Line | None:
    """The line nearest to the image centre on its left (-1) or right (1) side, if any."""
    height, width = size
    feet = _at(segments, height - 1)
    offsets = side * (feet / width - 0.5)
    mine = offsets > 0
    if not mine.any():
        return None
    same = mine & (offsets < offsets[mine].min() + SAME_LINE)
    x1, y1, x2, y2 = segments[same].T
    lengths = np.hypot(x2 - x1, y2 - y1)
    aims = _at(segments[same], HORIZON * height)
    return Line(np.average(feet[same], weights=lengths), np.average(aims, weights=lengths))


def _fill_lane(labels: LabelMap, left: Line, right: Line, top: float) -> None:
    """Make the lane between two lines drivable, from the bottom up to `top` or where they meet."""
    bottom = labels.shape[0] - 1
    share = (bottom - top) / (bottom - HORIZON * labels.shape[0])
    wide, narrow = right.foot - left.foot, right.aim - left.aim
    if narrow < wide:
        share = min(share, wide / (wide - narrow))
    ends = [line.foot + share * (line.aim - line.foot) for line in (left, right)]
    top = bottom - share * (bottom - HORIZON * labels.shape[0])
    corners = [(left.foot, bottom), (ends[0], top), (ends[1], top), (right.foot, bottom)]
    cv2.fillConvexPoly(labels, np.rint(corners).astype(np.int32), DRIVABLE)
