"""Find the lane lines in a label map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lanes.lines.bundle import Bundle, fit_bundle, usual_bundle
from lanes.lines.curve import TERMS, Curve, frame_rows, terms
from lanes.lines.strands import Strands, strands_of
from lanes.types import LabelMap, Size

Floats = NDArray[np.floating]

APART, APART_SHARE = 0.45, 0.1
"""Strands within this distance are one line: camera heights (a lane is 1.4 to 3), and a share of
the distance to the camera."""
SLACK = 3.0
"""Pixels at width 640 that strands of one line may differ by, besides."""
MISFIT, MISFIT_SLOPE = 4.0, 0.3
"""How far a strand may stray from the bundle: pixels at width 640, and pixels a row of its length.

Stripes of hatching stray farther.
"""
WIDEST = 0.45
"""Widest paint, a double line, in camera heights; stop lines are wider."""
GRID = 24
"""Rows on which the bundle guides a line's curve."""
STEPS = np.linspace(0, 1, GRID)
GUIDE, GUIDE_SLOPE = 6.0, 0.15
"""How far a curve may leave the bundle: pixels at width 640, plus pixels a row from the horizon."""
SCALES = (8.0, 3.0)
"""Robust steps: where the weight of a run is halved, in its own deviations."""
LEAST = 0.045
"""Rows with pixels that a line needs, as a share of the height."""
EACH_SIDE = 4
"""Lines looked for on each side of the camera."""


@dataclass(frozen=True)
class Fit:
    """One line: its curve, and what it rests on.

    `place` is its distance from the camera in camera heights, > 0 to the right. `weight` (4, 4) is
    the precision of the curve's coefficients: the inverse of their covariance. `runs` are the
    indices of its runs, from the top row to the bottom.
    """

    curve: Curve
    place: float
    weight: Floats
    runs: NDArray[np.intp]


@dataclass(frozen=True)
class Found:
    """The lines of a frame from left to right, their bundle, and the runs of the labels."""

    fits: list[Fit]
    bundle: Bundle
    strands: Strands


def find(
    labels: LabelMap, size: Size, prior: Bundle | None = None, horizon: float | None = None
) -> Found:
    """The lines in `labels` (any size) of a frame of `size`.

    `prior` is the camera's usual bundle. `horizon` is that of the curves' terms; default: as found.
    """
    prior = usual_bundle(size) if prior is None else prior
    strands = strands_of(labels, size)
    if not len(strands.x):
        return Found([], prior, strands)
    bundle = fit_bundle(strands, size, prior)
    lines = _group(strands, bundle, size)
    fits = _fit_all(strands, lines, bundle, size, bundle.horizon if horizon is None else horizon)
    fits = sorted((fit for fit in fits if len(fit.runs) > 1), key=lambda fit: fit.place)
    return Found(fits, bundle, strands)


def _group(strands: Strands, bundle: Bundle, size: Size) -> list[NDArray[np.intp]]:
    """The runs of each line, from the top row to the bottom: the nearest lines on both sides."""
    v = bundle.rows_below(strands.y, size)
    aside, unit, count = strands.x - bundle.spine(v), size[1] / 640, strands.count
    scale = bundle.scale(v)

    def total(values: Floats) -> Floats:
        return np.bincount(strands.strand, values, count).astype(float)

    square, number = total(scale * scale), np.bincount(strands.strand, minlength=count)
    place = total(scale * aside) / square
    mean = total(scale) / number
    bent = np.sqrt(np.maximum(total(aside * aside) - place * place * square, 0) / number)
    thick = total(strands.width) / number / np.hypot(1, place)
    along = (bent < MISFIT * unit + MISFIT_SLOPE * number * strands.step) & (
        thick < WIDEST * mean + 6 * unit
    )
    slack = APART + APART_SHARE * np.abs(place) + SLACK * unit / mean
    line, places = _cluster(place, np.where(along, square, 0), slack)
    line = line[strands.strand]
    rows = np.bincount(line[line >= 0], minlength=len(places)) * strands.step
    long = [i for i in range(len(places)) if rows[i] >= LEAST * size[0]]
    left = sorted((i for i in long if places[i] < 0), key=lambda i: -places[i])[:EACH_SIDE]
    right = sorted((i for i in long if places[i] >= 0), key=lambda i: places[i])[:EACH_SIDE]
    return [np.flatnonzero(line == i) for i in (*left, *right)]


def _cluster(place: Floats, weight: Floats, slack: Floats) -> tuple[NDArray[np.intp], list[float]]:
    """Give each strand to the nearest line within its slack, the heaviest first.

    Returns the line of each strand, -1 if its weight is 0, and the places of the lines.
    """
    lines: list[tuple[float, float]] = []  # place and weight
    line = np.full(len(place), -1)
    heaviest = np.argsort(-weight)[: np.count_nonzero(weight)]
    of, its, within = place.tolist(), weight.tolist(), slack.tolist()
    for i in heaviest.tolist():
        here, mass = of[i], its[i]
        away, near = min(((abs(p - here), n) for n, (p, _) in enumerate(lines)), default=(9e9, 0))
        if away > within[i]:
            line[i] = len(lines)
            lines.append((here, mass))
            continue
        line[i] = near
        p, m = lines[near]
        lines[near] = p + (here - p) * mass / (m + mass), m + mass
    return line, [p for p, _ in lines]


def _fit_all(
    strands: Strands, lines: list[NDArray[np.intp]], bundle: Bundle, size: Size, horizon: float
) -> list[Fit]:
    """A curve through the runs of each line; all lines at once."""
    if not lines:
        return []
    runs = np.concatenate(lines)
    line = np.repeat(np.arange(len(lines)), [len(own) for own in lines])
    x, y = strands.x[runs], strands.y[runs]
    guide, means = _guides(_places(x, y, line, len(lines), bundle, size), bundle, size, horizon)
    on_runs = terms(y, horizon, size[0])
    products = (on_runs[:, :, None] * on_runs[:, None]).reshape(-1, TERMS * TERMS)
    aims = on_runs * x[:, None]
    sigma = size[1] / 640 + 0.1 * strands.width[runs]
    owned = np.equal.outer(np.arange(len(lines)), line)
    states = means
    for steps in SCALES:
        miss = (x - (on_runs * states[line]).sum(axis=1)) / (steps * sigma)
        trust = owned / (sigma * (1 + miss * miss)) ** 2
        weights = guide + (trust @ products).reshape(-1, TERMS, TERMS)
        states = np.linalg.solve(weights, (means @ guide + trust @ aims)[..., None])[..., 0]
    kept = np.abs(miss) < 2
    fits = []
    for state, weight, own in zip(states, weights, owned, strict=True):
        curve = Curve(horizon, size[0], state)
        fits.append(Fit(curve, place_of(curve, bundle, size), weight, runs[own & kept]))
    return fits


def _places(
    x: Floats, y: Floats, line: NDArray[np.intp], count: int, bundle: Bundle, size: Size
) -> Floats:
    """The distance of each line from the camera in camera heights, by all of its runs."""
    v = bundle.rows_below(y, size)
    scale = bundle.scale(v)
    aside = np.bincount(line, scale * (x - bundle.spine(v)), count)
    return aside / np.bincount(line, scale * scale, count)


def _guides(places: Floats, bundle: Bundle, size: Size, horizon: float) -> tuple[Floats, Floats]:
    """The precision (4, 4) and the means (lines, 4) of curves by the bundle alone."""
    height, width = size
    first = bundle.horizon + LEAST * height
    grid = first + STEPS * (height - 1 - first)
    v = bundle.rows_below(grid, size)
    on_grid = terms(grid, horizon, height)
    spread = GUIDE * width / 640 + GUIDE_SLOPE * v
    guide = on_grid.T @ (on_grid / (spread * spread * GRID)[:, None])
    shared = np.stack([bundle.spine(v), bundle.scale(v)], axis=1)
    spine, across = np.linalg.solve(on_grid.T @ on_grid, on_grid.T @ shared).T
    return guide, spine + places[:, None] * across


def place_of(curve: Curve, bundle: Bundle, size: Size) -> float:
    """The distance of a line from the camera at the bottom of the frame, in camera heights."""
    x = float(frame_rows(curve.horizon, curve.height)[1][0] @ curve.coefficients)
    v = size[0] - 1 - bundle.horizon
    spine = bundle.x + (bundle.k + bundle.j / v) / v
    return (x - spine) / (v + bundle.m / v)
