"""The playback clock: when each frame of a file is due."""

from __future__ import annotations

import time

from lanes.types import Frame

LATE_SECONDS = 1.0
"""Seconds of delay after which playback no longer tries to catch up."""
LEAST_RATE = 4.0
"""At least this many frames per second are played in real time, even if they are late."""


class PlayClock:
    """Schedules frames that play at their own rate, `step` seconds apart."""

    def __init__(self, step: float) -> None:
        self._step = step
        self.restart()
        self.began = False
        self._last_passed = 0.0

    def restart(self) -> None:
        """Make the next frame due now."""
        self._zero: float | None = None

    def early(self, frame: Frame) -> float:
        """Seconds until the frame is due; negative if it is late."""
        now = time.monotonic()
        if self._zero is None or now - self._zero - frame.seconds > LATE_SECONDS:
            self._zero = now - frame.seconds
        return self._zero + frame.seconds - now

    def behind(self, frame: Frame) -> bool:
        """Whether the frame is more than half a step late."""
        return self.early(frame) < -self._step / 2

    def too_late(self, frame: Frame) -> bool:
        """Whether to drop the frame: the next one is already due, and one was played recently."""
        shown_lately = time.monotonic() - self._last_passed < 1 / LEAST_RATE
        return shown_lately and self.early(frame) < -self._step

    def passed(self) -> None:
        """Record that a frame is played now."""
        self._last_passed, self.began = time.monotonic(), True
