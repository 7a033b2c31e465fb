"""Label maps of straight roads, drawn line by line."""

from __future__ import annotations

import numpy as np

SIZE = (352, 640)
HORIZON, MIDDLE = 160, 320
"""The vanishing point."""


def road(*places, dash=None, thick=0.1, top=HORIZON + 12, ahead_by=0.0):
    """Labels of straight lines at `places`; `dash` is (paint, gap). All in camera heights."""
    labels = np.zeros(SIZE, np.uint8)
    rows = np.arange(top, SIZE[0])
    v = rows - HORIZON
    paint = np.ones(len(rows), bool)
    if dash:
        ahead = 350 / v  # camera heights, for a focal length of 350 px
        paint = (ahead + ahead_by) % sum(dash) < dash[0]
    for place in places:
        for row, below in zip(rows[paint], v[paint], strict=True):
            left, right = MIDDLE + (place + np.array([-thick, thick]) / 2) * below
            labels[row, max(round(left), 0) : max(round(right) + 1, 0)] = 2
    return labels
