"""Lane lines with their sides, kinds, colours and confidence, from a label map and its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lanes.lines.curve import ROWS, Curve, frame_rows
from lanes.lines.find import Fit, Found, find
from lanes.lines.paint import Picture, looks
from lanes.types import Frame, LabelMap, LaneLine, Side, Size

LANE = 2.7
"""Camera heights from the camera beyond which no border of the own lane lies."""
SEEN, LONG = 0.35, 0.15
"""Share of its rows, and rows as a share of the height, from which on confidence is 1."""
CUT_SHORT = 0.04
"""A line that ends so far below another is cut short, as a share of the height."""
CERTAIN = 0.5
"""Confidence from which on a line counts for others."""

Floats = NDArray[np.floating]


def find_lines(
    labels: LabelMap, picture: Picture | None = None, size: Size | None = None
) -> list[LaneLine]:
    """The lane lines of a frame, from left to right.

    `labels` (h, w) of the task `lanes`, of any size, with or without implied lines. `picture`, the
    frame, gives colours, and kinds if `labels` have no implied lines; without it pass the frame's
    `size`, or points are in the pixels of `labels`.
    """
    size = size_of(labels, picture, size)
    found = find(labels, size)
    return lane_lines(found, labels, picture, size)


def size_of(labels: LabelMap, picture: Picture | None, size: Size | None) -> Size:
    """The size of the frame."""
    if isinstance(picture, Frame):
        return picture.size
    array = labels if picture is None else picture
    return size or (array.shape[0], array.shape[1])


def lane_lines(
    found: Found, labels: LabelMap, picture: Picture | None, size: Size
) -> list[LaneLine]:
    """Describe the lines that `find` found."""
    sides = sides_of([fit.place for fit in found.fits])
    tops = [top_of(fit, found, size) for fit in found.fits]
    sure = [confidence_of(fit, found, size) for fit in found.fits]
    ends = ends_of(tops, sure, size)
    lines = []
    for fit, side, (kind, colour), end, confidence in zip(
        found.fits, sides, looks(found, labels, picture, size), ends, sure, strict=True
    ):
        points = points_on(fit.curve, end, size)
        if len(points) > 1:
            lines.append(LaneLine(points, side, kind, colour, confidence))
    return lines


def sides_of(places: list[float]) -> list[Side | None]:
    """The sides of lines from left to right, by their distances in camera heights (> 0: right)."""
    sides: list[Side | None] = [None] * len(places)
    left = [i for i, place in enumerate(places) if place < 0][::-1]
    right = [i for i, place in enumerate(places) if place >= 0]
    names: tuple[tuple[list[int], Side, Side], ...] = (
        (left, "ego left", "next left"),
        (right, "ego right", "next right"),
    )
    for lines, ego, after in names:
        far = bool(lines) and abs(places[lines[0]]) > LANE
        for i, side in zip(lines, (after,) if far else (ego, after), strict=False):
            sides[i] = side
    return sides


def top_of(fit: Fit, found: Found, size: Size) -> float:
    """The highest row in which a line is seen."""
    return float(found.strands.y[fit.runs].min(initial=size[0]))


def ends_of(tops: Sequence[float], confidences: Sequence[float], size: Size) -> list[float]:
    """The rows up to which lines are drawn: their own tops, or higher for a line cut short.

    A vehicle hides the far part of a line; it runs on as far as a second line is seen.
    """
    certain = sorted(t for t, sure in zip(tops, confidences, strict=True) if sure >= CERTAIN)
    reach = certain[1] if len(certain) > 1 else math.inf
    return [reach if top - reach > CUT_SHORT * size[0] else top for top in tops]


def points_on(curve: Curve, top: float, size: Size) -> NDArray[np.float32]:
    """Points (N, 2) of a curve within the frame, from its bottom up to the row `top`."""
    rows, on_rows = frame_rows(curve.horizon, curve.height)
    x = on_rows @ curve.coefficients
    inside = (x >= -0.5) & (x < size[1] - 0.5) & (rows > top - size[0] / ROWS / 2)
    points = np.empty((np.count_nonzero(inside), 2), np.float32)
    points[:, 0], points[:, 1] = x[inside], rows[inside]
    return points


def confidence_of(fit: Fit, found: Found, size: Size) -> float:
    """How sure a line is, 0..1, by how much of it is seen below its top."""
    y = found.strands.y[fit.runs]
    points = points_on(fit.curve, top_of(fit, found, size), size)
    if len(points) < 2:
        return 0.0
    long = (1 + np.count_nonzero(np.diff(y))) * found.strands.step
    share = long / max(float(np.ptp(points[:, 1])), 1.0)
    return float(min(share / SEEN, 1.0) * min(long / (LONG * fit.curve.height), 1.0))
