"""What a line's paint looks like: solid, dashed or double; white or yellow."""

from __future__ import annotations

from statistics import median
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes.colour import to_bgr_444
from lanes.lines.curve import terms
from lanes.lines.find import Found
from lanes.lines.strands import LANE_LINE
from lanes.types import Colour, Frame, Image, Kind, LabelMap, Size

Picture: TypeAlias = Image | Frame
Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

SAMPLES = 48
"""Places looked at along a line, denser near the horizon."""
FARTHEST = 0.1
"""The farthest of them, as a share of the rows below the horizon."""
SHARES = np.geomspace(1.0, FARTHEST, SAMPLES)
"""All of them, so."""
IMPLIED_LINE = LANE_LINE + 1
PAINT, ROAD = 0.05, 0.35
"""Where paint and the road beside it are looked at, in camera heights from the line's middle."""
CONTRAST, PART = 12.0, 0.35
"""Paint is brighter than the road by so many levels, and by that share of the line's brightest."""
FAINT = 10.0
"""Paint that is less brighter than the road, in levels, shows no colour."""
TWO_RUNS = 0.2
"""Share of a line's runs that have a second one in their row: a double line."""
SOLID = 0.6
"""Share of a line's length that is paint, from which on it is solid; a dashed line has less."""
REGULAR, EDGES = 0.12, 4
"""Dashes come at equal distances, which so many ends of them show; worn paint does not."""
YELLOW = 0.8
"""Blue against red and green, relative to the road's: paint below is yellow."""


def looks(
    found: Found, labels: LabelMap, picture: Picture | None, size: Size
) -> list[tuple[Kind | None, Colour | None]]:
    """The kind and colour of each line; None where they are unknown.

    Paint is where `labels` say so. If they have no implied line, gaps may be labelled as lines too:
    then the picture decides.
    """
    if not found.fits:
        return []
    x, y, scale = _places(found, size)
    inside = (x >= 1) & (x <= size[1] - 2)
    ids = _ids(labels, x, y, size)
    paint, known = ids == LANE_LINE, ids > 0
    colours: list[Colour | None] = [None] * len(x)
    implied = bool((labels == IMPLIED_LINE).any())
    if picture is not None:
        centre, road = _sampled(picture, x, y, scale)
        brighter = centre[..., 1:].min(axis=-1) - road[..., 1:].min(axis=-1)
        colours = _colours(centre, road, np.where(paint & inside, brighter, -1.0))
        if not implied:
            bright = np.sort(brighter, axis=1)[:, -SAMPLES // 10]
            paint, known = brighter > np.maximum(PART * bright, CONTRAST)[:, None], inside
    kinds: list[Kind | None] = [None] * len(x)
    if implied or picture is not None:
        ahead = 1 / scale
        kinds = [_kind(p[k], ahead[k]) for p, k in zip(paint, known & inside, strict=True)]
    doubles = [_is_double(found, i) for i in range(len(x))]
    kinds = ["double" if double else kind for double, kind in zip(doubles, kinds, strict=True)]
    return list(zip(kinds, colours, strict=True))


def _places(found: Found, size: Size) -> tuple[Floats, Floats, Floats]:
    """The x (lines, S), y and pixels a camera height (S,), from the bottom upwards."""
    v = (size[0] - 1 - found.bundle.horizon) * SHARES
    y = found.bundle.horizon + v
    coefficients = np.stack([fit.curve.coefficients for fit in found.fits])
    horizon = found.fits[0].curve.horizon
    return coefficients @ terms(y, horizon, size[0]).T, y, found.bundle.scale(v)


def _ids(labels: LabelMap, x: Floats, y: Floats, size: Size) -> NDArray[np.intp]:
    """2 where there is paint within 2 pixels of the labels, else 3 for an implied line, else 0."""
    rows = ((y + 0.5) * labels.shape[0] / size[0]).astype(np.intp)
    middle = ((x + 0.5) * labels.shape[1] / size[1]).astype(np.intp)
    around = np.clip(middle[None] + np.arange(-2, 3)[:, None, None], 0, labels.shape[1] - 1)
    ids = labels[rows, around]
    paint, line = (ids == LANE_LINE).any(axis=0), (ids >= LANE_LINE).any(axis=0)
    return np.where(paint, LANE_LINE, np.where(line, IMPLIED_LINE, 0))


def _sampled(picture: Picture, x: Floats, y: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """BGR (lines, S, 3) of the line, and of the road beside it."""
    paint, road = np.maximum(PAINT * scale, 0.5), np.maximum(ROAD * scale, 4)
    across = np.stack([x - road, x - paint, x, x + paint, x + road])
    bgr = _pixels(picture, across, np.broadcast_to(y, across.shape)).astype(float)
    return bgr[1:4].mean(axis=0), (bgr[0] + bgr[4]) / 2


def _pixels(picture: Picture, x: Floats, y: Floats) -> NDArray[np.uint8]:
    """The BGR pixels (..., 3) at places; beyond the edge those at the edge."""
    plane = picture.planes[0] if isinstance(picture, Frame) else picture
    column = np.clip(np.rint(x), 0, plane.shape[1] - 1).astype(np.intp)
    row = np.clip(np.rint(y), 0, plane.shape[0] - 1).astype(np.intp)
    if not isinstance(picture, Frame):
        return picture[row, column]
    luma, u, v = picture.planes
    half = row // 2, column // 2
    planes = (luma[row, column], u[half], v[half])
    flat = tuple(plane.reshape(len(plane), -1) for plane in planes)
    return to_bgr_444((flat[0], flat[1], flat[2]), picture.colour).reshape(*x.shape, 3)


def _colours(centre: Floats, road: Floats, brighter: Floats) -> list[Colour | None]:
    """The colour of each line by its brightest third; `brighter` < 0 where there is no paint."""
    colours: list[Colour | None] = []
    for paint, ground, contrast in zip(centre, road, brighter, strict=True):
        usable = np.count_nonzero(contrast > 0)
        best = np.argsort(-contrast)[: max(usable // 3, 3)]
        if usable < 3 or contrast[best].mean() < FAINT:
            colours.append(None)
            continue
        ratio = _blueness(paint[best].mean(axis=0)) / _blueness(ground[best].mean(axis=0))
        colours.append("yellow" if ratio < YELLOW else "white")
    return colours


def _blueness(bgr: Floats) -> float:
    blue, green, red = (bgr + 4).tolist()  # dark pixels are mostly noise
    return float(2 * blue / (green + red))


def _kind(paint: Mask, depth: Floats) -> Kind | None:
    """Solid or dashed, by where there is paint along the road; None: too little is known."""
    if len(paint) < SAMPLES // 8:
        return None
    # The places are as far apart as they are ahead, times a constant.
    if depth[paint].sum() > SOLID * depth.sum():
        return "solid"
    edges = np.flatnonzero(paint[1:] != paint[:-1])
    if len(edges) < EDGES:
        return None
    ends = (depth[edges] + depth[edges + 1]) / 2
    period = ends[2:] - ends[:-2]
    # np.median would import numpy.ma, at the first frame.
    uneven = median(np.abs(period / median(period.tolist()) - 1).tolist())
    return "dashed" if uneven < REGULAR else None


def _is_double(found: Found, number: int) -> bool:
    y = found.strands.y[found.fits[number].runs]
    return len(y) > 1 and float((np.diff(y) == 0).mean()) > TWO_RUNS
