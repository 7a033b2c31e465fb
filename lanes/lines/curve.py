"""The curve of a lane line in the picture: a straight line near the camera, a bend far away.

On a flat road a line of constant curvature is x = a + b v + c / v, where v is the distance in rows
below the horizon (Guiducci, "Parametric Model of the Perspective Projection of a Road", CVIU 1999).
Hills and changing curvature need one more term.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

SOFT = 0.05
"""Keeps 1 / u finite at the horizon."""
TERMS = 4
ROWS = 88
"""A line from the bottom to the top of the frame has points in so many rows."""


def terms(rows: Floats, horizon: float, height: float) -> Floats:
    """The curve's terms (N, 4) in pixel rows (N,): 1, u, 1 / u and 1 / u^2 with u softened.

    u is 0 at the horizon and 1 at the bottom of a frame of that height.
    """
    u = np.maximum((rows - horizon) / (height - horizon), 0)
    found = np.empty((*u.shape, TERMS))
    found[..., 0] = 1
    found[..., 1] = u
    found[..., 2] = SOFT / (u + SOFT)
    found[..., 3] = found[..., 2] ** 2
    return found


@lru_cache(maxsize=16)
def frame_rows(horizon: float, height: float) -> tuple[Floats, Floats]:
    """Rows (N,) of a frame from the bottom up to the horizon, and their terms (N, 4); read only."""
    rows = np.arange(height - 1, horizon, -height / ROWS)
    return rows, terms(rows, horizon, height)


@dataclass(frozen=True)
class Curve:
    """x in pixels by pixel row: `terms` times `coefficients` (4,)."""

    horizon: float
    height: float
    coefficients: Floats

    def x_at(self, rows: Floats) -> Floats:
        """The x (N,) in rows (N,)."""
        x: Floats = terms(rows, self.horizon, self.height) @ self.coefficients
        return x
