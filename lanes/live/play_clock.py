"""The clock of a player: when each frame of a file is due."""

from __future__ import annotations

import time

from lanes.types import Frame

LATE_SECONDS = 1.0
"""A player that is later than this no longer tries to catch up."""
LEAST_RATE = 4.0
"""So many frames a second are played in real time, however late they are."""


class PlayClock:
    """When frames are due that are played at their own rate, `step` seconds apart."""

    def __init__(self, step: float) -> None:
        self._step = step
        self.restart()
        self.began = False
        self._last_passed = 0.0

    def restart(self) -> None:
        """Let the next frame be due at once."""
        self._zero: float | None = None

    def early(self, frame: Frame) -> float:
        """Seconds until the frame is due; negative if it is late."""
        now = time.monotonic()
        if self._zero is None or now - self._zero - frame.seconds > LATE_SECONDS:
            self._zero = now - frame.seconds
        return self._zero + frame.seconds - now

    def behind(self, frame: Frame) -> bool:
        """Whether the frame is late, though it may still be played."""
        return self.early(frame) < -self._step / 2

    def too_late(self, frame: Frame) -> bool:
        """Whether the next frame is due already, and not long ago one was played."""
        shown_lately = time.monotonic() - self._last_passed < 1 / LEAST_RATE
        return shown_lately and self.early(frame) < -self._step

    def passed(self) -> None:
        """Note that a frame is played now."""
        self._last_passed, self.began = time.monotonic(), True
