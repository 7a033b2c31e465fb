"""Lane lines with their sides, kinds, colours and confidence, from a label map and its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lanes.lines.bundle import Bundle
from lanes.lines.curve import ROWS, Curve, frame_rows
from lanes.lines.find import Fit, Found, find
from lanes.lines.paint import Picture, looks
from lanes.types import Frame, LabelMap, LaneLine, Side, Size

LANE = 2.7
"""Camera heights from the camera beyond which no border of the own lane lies."""
SEEN, LONG = 0.35, 0.15
"""Share of its rows, and rows as a share of the height, from which on confidence is 1."""
NARROW, DEEP = 1.7, 4.0
"""A line with others this near on both sides, in camera heights, may be an arrow or a crossing:
it must reach so many times as far as its near end."""
CUT_SHORT = 0.02
"""A line that ends so far below another is cut short, as a share of the height."""
MEET = 2.0
"""Where lines are so near, in pixels at width 640, the uncertain or less far seen one ends."""
TURN = 0.5
"""A line that moves away from the others by so much between two rows turns; pixels at width 640."""
CERTAIN = 0.5
"""Confidence from which on a line counts for others."""

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


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
    tops = [top_of(fit, found, size) for fit in found.fits]
    sure = confidences_of(found, size)
    sides = sides_of([fit.place for fit in found.fits], sure)
    points = points_of([fit.curve for fit in found.fits], tops, sure, found.bundle, size)
    named = looks(found, labels, picture, size)
    return [
        LaneLine(own, side, kind, colour, confidence)
        for own, side, (kind, colour), confidence in zip(points, sides, named, sure, strict=True)
        if len(own) > 1
    ]


def sides_of(places: Sequence[float], confidences: Sequence[float]) -> list[Side | None]:
    """The sides of lines from left to right, by their distances in camera heights (> 0: right).

    Certain lines take theirs first. An uncertain one gets a side that is free and in order.
    """
    sides: list[Side | None] = [None] * len(places)
    left = [i for i, place in enumerate(places) if place < 0][::-1]
    right = [i for i, place in enumerate(places) if place >= 0]
    _name(sides, left, ("ego left", "next left"), places, confidences)
    _name(sides, right, ("ego right", "next right"), places, confidences)
    return sides


def _name(
    sides: list[Side | None],
    lines: list[int],
    names: tuple[Side, Side],
    places: Sequence[float],
    confidences: Sequence[float],
) -> None:
    """Name the lines of one side, which are in order from the camera outwards."""
    certain = [i for i in lines if confidences[i] >= CERTAIN]
    far = bool(certain) and abs(places[certain[0]]) > LANE
    for i, name in zip(certain, names[far:], strict=False):
        sides[i] = name
    if not certain or far:
        nearer = [i for i in lines if abs(places[i]) <= LANE]
        if nearer:
            sides[nearer[0]] = names[0]
    if names[1] not in sides:
        ego = next((lines.index(i) for i in lines if sides[i] == names[0]), -1)
        for i in lines[ego + 1 : ego + 2]:
            sides[i] = names[1]


def top_of(fit: Fit, found: Found, size: Size) -> float:
    """The highest row in which a line is seen."""
    return float(found.strands.y[fit.runs[0]]) if len(fit.runs) else float(size[0])


def points_of(
    curves: Sequence[Curve],
    tops: Sequence[float],
    confidences: Sequence[float],
    bundle: Bundle,
    size: Size,
) -> list[NDArray[np.float32]]:
    """The points (N, 2) of lines from left to right, each from the bottom of the frame to its end.

    `tops` are the highest rows in which they are seen.
    """
    if not curves:
        return []
    rows, on_rows = frame_rows(curves[0].horizon, size[0])
    x = on_rows @ np.stack([curve.coefficients for curve in curves], axis=1)
    inside = (x >= -0.5) & (x < size[1] - 0.5)
    ends = _ends(tops, confidences, size)
    rank = [(sure >= CERTAIN, -top) for sure, top in zip(confidences, tops, strict=True)]
    meet = inside[:, 1:] & inside[:, :-1] & (x[:, 1:] - x[:, :-1] < MEET * size[1] / 640)
    _cut_crossings(ends, rank, meet, rows)
    _cut_turns(ends, tops, x, rows, bundle, size)
    inside &= rows[:, None] > np.array(ends) - size[0] / ROWS / 2
    points = np.empty((len(curves), len(rows), 2), np.float32)
    points[..., 0], points[..., 1] = x.T, rows
    return [own[there] for own, there in zip(points, inside.T, strict=True)]


def _ends(tops: Sequence[float], confidences: Sequence[float], size: Size) -> list[float]:
    """The rows up to which lines are drawn: their own tops, or higher for a line cut short.

    A vehicle hides the far part of a line; it runs on as far as a second line is seen.
    """
    certain = sorted(t for t, sure in zip(tops, confidences, strict=True) if sure >= CERTAIN)
    reach = certain[1] if len(certain) > 1 else math.inf
    return [reach if top - reach > CUT_SHORT * size[0] else top for top in tops]


def _cut_crossings(
    ends: list[float], rank: Sequence[tuple[bool, float]], meet: Mask, rows: Floats
) -> None:
    """Where two lines `meet` (rows, pairs), the one of lower rank ends."""
    for i in np.flatnonzero(meet.any(axis=0)).tolist():
        lower = i if rank[i] < rank[i + 1] else i + 1
        ends[lower] = max(ends[lower], float(rows[max(int(meet[:, i].argmax()) - 1, 0)]))


def _cut_turns(
    ends: list[float], tops: Sequence[float], x: Floats, rows: Floats, bundle: Bundle, size: Size
) -> None:
    """Where a line is no longer seen, it ends as soon as it turns away from the other lines."""
    aside = np.abs(x - bundle.spine(bundle.rows_below(rows, size))[:, None])
    turns = (aside[1:] - aside[:-1] > TURN * size[1] / 640) & (rows[1:, None] < np.array(tops))
    for i in np.flatnonzero(turns.any(axis=0)).tolist():
        ends[i] = max(ends[i], float(rows[int(turns[:, i].argmax())]))


def confidences_of(found: Found, size: Size) -> list[float]:
    """How sure each line is, 0..1, by how much of it is seen below its top."""
    places = [-math.inf, *(fit.place for fit in found.fits), math.inf]
    gaps = [after - before for before, after in pairwise(places)]
    narrow = [max(pair) < NARROW for pair in pairwise(gaps)]
    return [
        seen * (_depth(fit, found, size) if between else 1.0)
        for seen, fit, between in zip(_seen(found, size), found.fits, narrow, strict=True)
    ]


def _seen(found: Found, size: Size) -> list[float]:
    """How much of each line is seen: as a share of its rows, and in all."""
    if not found.fits:
        return []
    rows, on_rows = frame_rows(found.fits[0].curve.horizon, size[0])
    x = on_rows @ np.stack([fit.curve.coefficients for fit in found.fits], axis=1)
    tops = np.array([top_of(fit, found, size) for fit in found.fits])
    inside = (x >= -0.5) & (x < size[1] - 0.5) & (rows[:, None] > tops)
    high = np.maximum(np.count_nonzero(inside, axis=0) * size[0] / ROWS, 1.0)
    long = np.array([_rows_of(found.strands.y[fit.runs]) for fit in found.fits])
    long = long * found.strands.step
    seen = np.minimum(long / high / SEEN, 1) * np.minimum(long / (LONG * size[0]), 1)
    return list(seen.tolist())


def _rows_of(y: Floats) -> int:
    """How many different rows there are in `y`, which is in order."""
    return 1 + int(np.count_nonzero(y[1:] != y[:-1]))


def _depth(fit: Fit, found: Found, size: Size) -> float:
    """1 if a line reaches `DEEP` times as far as its near end, less for a single mark."""
    top, bottom = found.bundle.rows_below(found.strands.y[fit.runs[[0, -1]]], size)
    return min(math.log(bottom / top) / math.log(DEEP), 1.0)
