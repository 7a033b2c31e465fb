"""Draws the own lane and the lane lines on the YUV planes of a frame.

The lane's area is drawn with the labels, as classes that fade with the distance, so it costs next
to nothing and does not cover vehicles. The lines are drawn at full resolution, as polygons with
anti-aliased edges whose width follows the perspective.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import yuv_of
from lanes.types import IGNORE, Frame, LabelClass, LabelMap, LaneLine, Side, Size, Task

Bgr = tuple[int, int, int]
Points = NDArray[np.floating]

AREA: Bgr = (190, 200, 40)
AREA_LEFT: Bgr = (40, 110, 255)
"""Colour of the own lane; while the car leaves it."""
WHITE: Bgr = (255, 240, 120)
YELLOW: Bgr = (60, 210, 255)
CROSSED: Bgr = (40, 60, 255)
CASING: Bgr = (40, 30, 10)
"""Colours of white and yellow lines, of the line that the car crosses, and of their dark edges."""
FAINT, FAINT_LINES = 0.6, 0.25
"""The labels' opacity under the lane, as a share of the usual; that of the first class and of the
others, which are lines."""
BANDS = 12
"""Steps in which the own lane fades."""
NEAR, FAR = 0.75, 0.12
"""Opacity of the own lane near the car and at its far end, before the overlay's."""
WIDE, LEAST = 0.026, 1.3
"""Half the width of a drawn line: a share of the rows below the horizon, at least so many pixels at
720 rows."""
OUTER = 0.6
"""Width of lines farther out, as a share of the own lane's."""
EDGE = 1.2
"""Width of the dark edges, in pixels at 720 rows."""
SURE, SEEN = 0.5, 0.3
"""The own lane needs lines of this confidence; less certain lines than the second are not drawn."""
DASH, PERIOD = 0.7, 1.6
"""Length of a drawn dash and its period, in distances from the camera to the frame's bottom."""
THREAD = 0.3
"""Width of a dashed line between its dashes, as a share of theirs."""
DOUBLE, HALVED = 1.1, 0.6
"""Distance of a double line's halves from its middle, and their width, in a line's half widths."""
ASIDE = (-4, -2, 0, 2, 4)
"""A line is hidden in a row where none of these columns beside it, at 640 columns, is road."""
STEADY = 9
"""Points over which that is averaged, so that single rows neither hide a line nor show it."""
SHIFT = 4
"""Bits of the fraction of a polygon's coordinates."""


def with_lane(
    labels: LabelMap, task: Task, lines: Sequence[LaneLine], size: Size, leaving: bool = False
) -> tuple[LabelMap, Task]:
    """The labels (any size) of a frame of `size` with the own lane in them, and their task.

    The lane is drawn only where the labels show road. Other classes of the task become faint.
    """
    drawn = _task(task, leaving)
    sides = {line.side: line for line in lines if line.confidence >= SURE}
    left, right = sides.get("ego left"), sides.get("ego right")
    if left is None or right is None:
        return labels, drawn
    area = np.zeros(labels.shape, np.uint8)
    polygon = _between(left.points, right.points, size)
    top = max(int(polygon[:, 1].min() * labels.shape[0] / size[0]), 0)
    cv2.fillPoly(area, [_places(polygon, size, labels.shape)], 1, cv2.LINE_8, SHIFT)
    ids = _bands(len(task.classes), top, labels.shape[0])
    marked = labels.copy()
    # The smaller of 1 inside and the label is 1 on the road; ids of bands exceed those of classes.
    road = np.minimum(area[top:], labels[top:])
    np.maximum(labels[top:], road * ids[top:, None], out=marked[top:])
    return marked, drawn


def draw_lines(
    frame: Frame,
    lines: Sequence[LaneLine],
    horizon: float,
    crossed: Side | None = None,
    labels: LabelMap | None = None,
) -> None:
    """Draw `lines` on `frame`, in place; `horizon` is its pixel row.

    White and yellow lines have their colours, dashed lines gaps, double lines two halves. Lines are
    thinner where less is known of them, and hidden where `labels` (any size) show no road, as
    behind a vehicle. `crossed` is the line that the car crosses now.
    """
    edge = EDGE * max(frame.size[0] / 720, 0.5)
    by_colour: dict[Bgr, list[Points]] = {}
    casing = []
    for line in lines:
        if line.confidence >= SEEN:
            colour = YELLOW if line.colour == "yellow" else WHITE
            colour = CROSSED if crossed and line.side == crossed else colour
            shown = _visible(line.points, labels, frame.size)
            ribbons = _ribbons(line, horizon, frame.size)
            for points, half in (part for ribbon in ribbons for part in _parts(*ribbon, shown)):
                by_colour.setdefault(colour, []).append(_outline(points, half))
                casing.append(_outline(points, half + edge))
    if casing:
        _fill(frame.planes[:1], casing, frame, CASING)
        for colour, outlines in by_colour.items():
            _fill(frame.planes, outlines, frame, colour)
        frame.drawn_on()


def _visible(points: Points, labels: LabelMap | None, size: Size) -> NDArray[np.bool_]:
    """Which points (N, 2) of a line no vehicle hides, by the labels around them."""
    if labels is None:
        return np.ones(len(points), bool)
    height, width = labels.shape
    scale = width / size[1], height / size[0]
    x, y = ((points + 0.5) * scale).astype(int).T
    columns = x[:, None] + np.array(ASIDE) * max(round(width / 640), 1)
    columns, rows = columns.clip(0, width - 1), y.clip(0, height - 1)[:, None]
    seen = ((labels[rows, columns] > 0) & (labels[rows, columns] != IGNORE)).any(axis=1)
    return np.asarray(cv2.blur(seen.astype(np.float32), (1, STEADY)).ravel() >= 0.5)


def _parts(
    points: Points, half: Points, shown: NDArray[np.bool_]
) -> Iterator[tuple[Points, Points]]:
    """The stretches of a line that are shown."""
    for part in np.split(np.arange(len(points)), np.flatnonzero(np.diff(shown)) + 1):
        if shown[part[0]] and len(part) > 1:
            yield points[part], half[part]


def _ribbons(line: LaneLine, horizon: float, size: Size) -> list[tuple[Points, Points]]:
    """A line's points (N, 2) with half its width at each; twice if it is a double line."""
    points = line.points.astype(float)
    below = np.maximum(points[:, 1] - horizon, 1.0)
    near = line.side in ("ego left", "ego right")
    share = (1.0 if near else OUTER) * (0.5 + 0.5 * min(line.confidence / SURE, 1.0))
    half = np.maximum(WIDE * below * share, LEAST * size[0] / 720 * share)
    if line.kind == "dashed":
        return [(points, half * _dashes(below, size[0] - horizon))]
    if line.kind != "double":
        return [(points, half)]
    aside = np.stack([DOUBLE * half, np.zeros_like(half)], axis=1)
    return [(points - aside, half * HALVED), (points + aside, half * HALVED)]


def _dashes(below: Points, bottom: float) -> Points:
    """The width at each row of a dashed line, as a share of a dash's; equal dashes on the ground.

    Dashes that are too far away to be seen become one line.
    """
    ahead = bottom / below
    in_gap = (ahead - ahead[0]) / PERIOD % 1 > DASH
    return np.where(in_gap & (np.gradient(ahead) < PERIOD / 3), THREAD, 1.0)


def _outline(points: Points, half: Points) -> Points:
    """The outline (2 N, 2) of a line that is so wide along each row."""
    outline = np.concatenate([points, points[::-1]])
    outline[:, 0] += np.concatenate([-half, half[::-1]])
    return outline


def _between(left: Points, right: Points, size: Size) -> Points:
    """The polygon between two lines, down to the bottom of the frame, up to the lower end."""
    top = max(left[-1, 1], right[-1, 1])
    sides = [_to_bottom(line[line[:, 1] >= top], size) for line in (left, right)]
    return np.concatenate([sides[0], sides[1][::-1]])


def _to_bottom(points: Points, size: Size) -> Points:
    """A line that goes on straight to the bottom of the frame."""
    if len(points) < 2:
        return points
    (dx, dy), bottom = points[0] - points[1], size[0] - 0.5
    foot = points[0] + (dx / max(dy, 1e-3) * (bottom - points[0, 1]), bottom - points[0, 1])
    return np.concatenate([foot[None], points])


def _fill(
    planes: Sequence[NDArray[np.uint8]], polygons: Sequence[Points], frame: Frame, bgr: Bgr
) -> None:
    """Fill polygons, in the frame's pixels, with smooth edges; on its first `planes`."""
    points, ends = np.concatenate(polygons), np.cumsum([len(p) for p in polygons[:-1]])
    for plane, value in zip(planes, yuv_of(bgr, frame.colour), strict=False):
        here = np.split(_places(points, frame.size, plane.shape), ends)
        cv2.fillPoly(plane, here, value, cv2.LINE_AA, SHIFT)


def _places(points: Points, size: Size, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Pixels of a frame of `size` as those of a plane, in units of 1 / 2^SHIFT."""
    share = shape[1] / size[1], shape[0] / size[0]
    return np.asarray(np.rint(((points + 0.5) * share - 0.5) * (1 << SHIFT)), np.int32)


def _bands(first: int, top: int, bottom: int) -> NDArray[np.uint8]:
    """The id of the own lane in each row (bottom,); the nearest band is `first`."""
    share = np.linspace(0, 1, max(bottom - top, 1), endpoint=False)
    ids = np.zeros(bottom, np.uint8)
    ids[top:] = first + BANDS - 1 - (share * BANDS).astype(np.uint8)
    return ids


@lru_cache(maxsize=16)
def _task(task: Task, leaving: bool) -> Task:
    """The task with faint classes, and the bands of the own lane after them."""
    shares = (FAINT, FAINT, *[FAINT_LINES] * len(task.classes))
    faint = (replace(c, alpha=c.alpha * s) for c, s in zip(task.classes, shares, strict=False))
    colour = AREA_LEFT if leaving else AREA
    fading = np.linspace(NEAR, FAR, BANDS)
    bands = tuple(LabelClass("own lane", colour, float(alpha)) for alpha in fading)
    return replace(task, classes=(*faint, *bands))
