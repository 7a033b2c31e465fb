"""Where the car is in its lane: offset, lane width, heading, curvature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lanes.lines.bundle import Bundle
from lanes.lines.camera import Calibration
from lanes.lines.lane_lines import CERTAIN
from lanes.types import LaneLine, Size

AHEAD = 0.1
"""Where the curvature is measured, as a share of the rows below the horizon."""
FOOT = 3
"""The lowest third of a line says how far to the side it is."""
LANE_RATE = 0.5
"""How fast the remembered lane width follows, a second."""
ODD, ODD_SECONDS = 0.25, 1.0
"""A lane this much wider or narrower than the last is believed after so many seconds."""


@dataclass(frozen=True)
class Position:
    """The car in its lane; metres and radians are None without a calibration.

    `offset` is the camera's distance from the lane's middle as a share of the lane width, > 0 to
    the right; None without lines. `whole` is False if it comes from one line and the remembered
    width. `heading` is the camera's angle to the road, > 0 if it points to the right. `curvature`
    in 1/m is that of the road ahead, > 0 for a bend to the right; `bend` is its sign (0: straight),
    which needs no calibration.
    """

    offset: float | None
    whole: bool
    bend: int
    lane_width_m: float | None = None
    offset_m: float | None = None
    heading: float | None = None
    curvature: float | None = None

    @property
    def radius_m(self) -> float | None:
        """The radius of the bend ahead; None where the road is straight or not calibrated."""
        return 1 / abs(self.curvature) if self.bend and self.curvature else None


class PositionMeter:
    """Measures the position frame by frame, and remembers the lane's width."""

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration
        self._width: float | None = None
        self._odd = 0.0  # seconds

    def update(
        self, lines: Sequence[LaneLine], bundle: Bundle, size: Size, seconds: float = 0.04
    ) -> Position:
        """The position in a frame with these lines and bundle, `seconds` after the last one."""
        places = {
            line.side: place_of_line(line, bundle, size)
            for line in lines
            if line.confidence >= CERTAIN
        }
        left, right = places.get("ego left"), places.get("ego right")
        whole = left is not None and right is not None
        if left is None or right is None:
            return self._position(self._by_one(left, right), whole, bundle, size)
        odd = not self._remember(right - left, seconds)
        offset = None if odd else -(left + right) / 2 / (right - left)
        return self._position(offset, whole and not odd, bundle, size)

    def _remember(self, width: float, seconds: float) -> bool:
        """Let the lane's width follow; False while it is odd: a line is missing or wrong."""
        old = self._width
        odd = old is not None and abs(width / old - 1) > ODD
        self._odd = self._odd + seconds if odd else 0.0
        if odd and self._odd < ODD_SECONDS:
            return False
        share = min(LANE_RATE * seconds, 1.0)
        self._width = width if old is None or odd else old + share * (width - old)
        return True

    def _by_one(self, left: float | None, right: float | None) -> float | None:
        if self._width is None or (left is None and right is None):
            return None
        return -left / self._width - 0.5 if left is not None else 0.5 - (right or 0) / self._width

    def _position(self, offset: float | None, whole: bool, bundle: Bundle, size: Size) -> Position:
        pixels = _curvature_pixels(bundle, size)
        bend = 0 if abs(pixels) < _straight(size) else int(math.copysign(1, pixels))
        if self.calibration is None:
            return Position(offset, whole, bend)
        height, focal = self.calibration.height, self.calibration.focal(size)
        width = None if self._width is None else self._width * height
        return Position(
            offset,
            whole,
            bend,
            lane_width_m=width,
            offset_m=None if width is None or offset is None else offset * width,
            heading=math.atan((size[1] / 2 - 0.5 - bundle.x) / focal),
            curvature=2 * pixels / (focal**2 * height),
        )


def place_of_line(line: LaneLine, bundle: Bundle, size: Size) -> float:
    """How far a line is to the right of the camera, in camera heights, by its lowest third."""
    x, y = line.points[: max(len(line.points) // FOOT, 2)].T.astype(float)
    v = bundle.rows_below(y, size)
    return float(((x - bundle.spine(v)) / bundle.scale(v)).mean())


def _curvature_pixels(bundle: Bundle, size: Size) -> float:
    """f^2 H / 2 times the curvature, in pixels^2."""
    v = AHEAD * (size[0] - 1 - bundle.horizon)
    return bundle.k + bundle.j / v


def _straight(size: Size) -> float:
    """`_curvature_pixels` below this are noise."""
    return 20.0 * (size[1] / 640) ** 2
