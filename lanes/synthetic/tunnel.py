"""The geometry of a tunnel: walls, ceiling and lamps, in metres."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lanes.synthetic.shapes import Builder, Faces, Points, box
from lanes.synthetic.world import REACH, Colour, Tunnel

DAYLIGHT: Colour = (225.0, 222.0, 216.0)


@lru_cache(maxsize=4)
def tube(tunnel: Tunnel) -> Faces:
    """All faces of a tunnel from far to near; it repeats after the lamps' spacing."""
    made = Builder()
    left, right, high = tunnel.left, tunnel.right, tunnel.height
    if tunnel.exit:
        made.add(box(left, right, 0, high, REACH), DAYLIGHT, glow=1)
    sides = np.array([[left, 0], [left, 0.16 * high], [left, 0.72 * high], [left + 1.3, high]])
    right_sides = sides[::-1] * (-1, 1) + (left + right, 0)
    outline = np.concatenate([sides, right_sides])
    gains = (0.6, 0.95, 0.7, 0.5, 0.7, 0.95, 0.6)
    step = tunnel.every / 4
    near = np.arange(0, 6 * tunnel.every, step)
    ahead = np.concatenate([near, np.geomspace(near[-1] + step, REACH, 16)])
    for first, last in zip(ahead[-2::-1], ahead[:0:-1], strict=True):
        # Darker between two lamps than next to one.
        middle = (first + last) / 2
        lit = 0.88 + 0.12 * np.cos(2 * np.pi * middle / tunnel.every) * (middle <= near[-1])
        for one, other, gain in zip(outline[:-1], outline[1:], gains, strict=True):
            made.add(_panel(one, other, first, last), tunnel.wall, gain * lit)
    shares = (0.5,) if tunnel.rows == 1 else (0.3, 0.7)
    for place in np.arange(int(REACH / tunnel.every), -1, -1) * tunnel.every:
        for share in shares:
            middle = left + share * (right - left)
            ends = np.array([middle - 0.2, high - 0.1]), np.array([middle + 0.2, high - 0.1])
            made.add(_panel(*ends, place, place + 1.3), tunnel.lamp, glow=1)
    return made.faces()


def _panel(one: Points, other: Points, first: float, last: float) -> Points:
    """The corners of a face along the road between two points (t, height) of the outline."""
    return np.array([[*one, first], [*one, last], [*other, last], [*other, first]])
