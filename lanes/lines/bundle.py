"""All lines of a road are parallel: in the picture they share a vanishing point, bends and a hill.

On a flat road of constant curvature, the line b camera heights to the right is x0 + b v + k / v.
v is the distance in rows below the horizon; k grows with the curvature (Guiducci, "Parametric Model
of the Perspective Projection of a Road", CVIU 1999). A bend that begins farther ahead adds j / v^2.
On a road that curves vertically, v + m / v replaces v: m > 0 in a dip, < 0 on a crest.

So the line's tangent meets the horizon at x0 + 2 (k + b m) / v + 3 j / v^2. Every piece of a line
gives one equation for x0, the horizon, k, j and m, whichever line it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lanes.lines.strands import Strands
from lanes.types import Size

Floats = NDArray[np.floating]

PIECE = 16
"""Runs of one piece of a strand: nearly straight."""
SHORTEST = 4
"""Runs that a piece needs, to have a direction."""
LEAST = 6.0
"""Rows below the horizon, in 1/352 of the height: nearer to it, v is taken as this."""
SCALES = (60.0, 25.0, 12.0)
"""Robust steps: where the weight of a piece is halved, in pixels at width 640."""
HORIZON, HORIZON_SPREAD = 0.46, 0.08
"""Where dashboard cameras see the horizon, and how much that varies, in shares of the height."""
MIDDLE_SPREAD = 0.12
"""How much the vanishing point varies, in shares of the width."""
BEND_SPREAD, TURN_SPREAD, HILL_SPREAD = 400.0, 1e4, 40.0
"""How much k (pixels^2), j (pixels^3) and m (pixels^2) vary, at width 640."""


@dataclass(frozen=True)
class Bundle:
    """The vanishing point (`x`, `horizon`) in pixels, the bends `k` and `j`, and the hill `m`.

    `spread` is their covariance (5, 5).
    """

    x: float
    horizon: float
    k: float
    j: float
    m: float
    spread: Floats

    def rows_below(self, y: Floats, size: Size) -> Floats:
        """v: the distance below the horizon, at least `LEAST`."""
        v: Floats = np.maximum(y - self.horizon, LEAST * size[0] / 352)
        return v

    def spine(self, v: Floats) -> Floats:
        """The x of the line under the camera."""
        x: Floats = self.x + (self.k + self.j / v) / v
        return x

    def scale(self, v: Floats) -> Floats:
        """Pixels of one camera height across the road."""
        q: Floats = np.maximum(v + self.m / v, v / 3)
        return q


def usual_bundle(size: Size) -> Bundle:
    """What is known of a camera before its first frame."""
    height, width = size
    unit = width / 640
    deviations = [
        MIDDLE_SPREAD * width,
        HORIZON_SPREAD * height,
        BEND_SPREAD * unit**2,
        TURN_SPREAD * unit**3,
        HILL_SPREAD * unit**2,
    ]
    return Bundle(width / 2, HORIZON * height, 0.0, 0.0, 0.0, np.diag(np.square(deviations)))


def fit_bundle(strands: Strands, size: Size, prior: Bundle) -> Bundle:
    """The vanishing point, bend and hill of one frame, by iterated weighted least squares."""
    x, y, slope, noise = _tangents(strands, size)
    unit = size[1] / 640
    start = np.array([prior.x, prior.horizon, prior.k, prior.j, prior.m])
    precision = np.linalg.inv(prior.spread)
    state, weight, aim = start, precision, x - slope * y
    equations = np.empty((len(x), 5))
    equations[:, 0], equations[:, 1] = 1, -slope
    for scale in SCALES:
        v = np.maximum(y - state[1], LEAST * size[0] / 352)
        equations[:, 2] = 2 / v
        equations[:, 3] = 3 / v**2
        equations[:, 4] = equations[:, 2] * (x - state[0]) / v
        sigma = np.hypot(noise * v, 3 * unit)
        miss = (aim - equations @ state) / (scale * unit + sigma)
        trust = 1 / (sigma * (1 + miss * miss)) ** 2
        weighted = equations * trust[:, None]
        weight = precision + weighted.T @ equations
        state = np.linalg.solve(weight, precision @ start + weighted.T @ aim)
    found, horizon, k, j, m = state.tolist()
    return Bundle(found, horizon, k, j, m, np.linalg.inv(weight))


def _tangents(strands: Strands, size: Size) -> tuple[Floats, Floats, Floats, Floats]:
    """Middle x and y, slope dx / dy and its deviation, of each piece of a strand."""
    block = (strands.y / (strands.step * PIECE)).astype(np.intp)
    piece = strands.strand * (int(block.max(initial=0)) + 1) + block
    number = np.bincount(piece)
    good = number >= SHORTEST

    def mean(values: Floats) -> Floats:
        return np.bincount(piece, values) / np.maximum(number, 1)

    x, y = mean(strands.x), mean(strands.y)
    dx, dy = strands.x - x[piece], strands.y - y[piece]
    square = mean(dy * dy)[good]
    slope = mean(dx * dy)[good] / square
    width = mean(strands.width)[good]
    # A run's centre is as uncertain as its end steps: shallow lines have wide runs.
    noise = (0.5 * size[1] / 640 + 0.1 * width) / np.sqrt(square * number[good])
    return x[good], y[good], slope, noise
