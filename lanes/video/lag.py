"""How much later than its own times a live stream arrives."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from statistics import median_low

_SEEN = 50
"""So many arrivals smooth the jitter of networks and drivers."""
_HEARD = 0.045
"""Seconds by which sound may come early unnoticed: https://www.itu.int/rec/R-REC-BT.1359"""


class Lag:
    """The seconds to add to a stream's times so that they are those of its arrival."""

    def __init__(self) -> None:
        self._recent: deque[Fraction] = deque(maxlen=_SEEN)
        self._seconds: Fraction | None = None

    def after(self, arrived: Fraction, own: Fraction) -> Fraction:
        """The lag, after something with the time `own` has arrived; it changes in steps only."""
        self._recent.append(arrived - own)
        usual = median_low(self._recent)
        if self._seconds is None or abs(usual - self._seconds) > _HEARD:
            self._seconds = usual
        return self._seconds
