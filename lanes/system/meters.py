"""Meters of rate and latency."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np


class RateMeter:
    """Events per second over the last `window` events: n ticks bound n - 1 intervals."""

    def __init__(self, window: int = 60, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.times: deque[float] = deque(maxlen=window)

    def tick(self) -> None:
        """Count one event now."""
        self.times.append(self.clock())

    @property
    def rate(self) -> float:
        """Events per second; 0.0 before the second event."""
        span = self.times[-1] - self.times[0] if len(self.times) > 1 else 0.0
        return (len(self.times) - 1) / span if span > 0 else 0.0


class LatencyMeter:
    """Seconds that a stage took; keeps only the last `window` runs, so that memory stays flat."""

    def __init__(self, window: int = 10_000) -> None:
        self.seconds: deque[float] = deque(maxlen=window)
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one run of the stage."""
        self.seconds.append(seconds)
        self.count += 1
        self.total += seconds

    @property
    def mean(self) -> float:
        """Mean of all runs in seconds; NaN before the first."""
        return self.total / self.count if self.count else float("nan")

    def percentile(self, percent: float) -> float:
        """Percentile (0..100) of the last `window` runs in seconds; NaN before the first."""
        if not self.seconds:
            return float("nan")
        # np.percentile would import numpy.ma, which nothing else needs.
        places = np.linspace(0, 100, len(self.seconds))
        return float(np.interp(percent, places, np.sort(self.seconds)))
