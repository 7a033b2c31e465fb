"""A camera or stream that reconnects after each loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

from lanes.errors import BadInput
from lanes.types import Frame
from lanes.video.base import Source

Open = Callable[[], Source]
RETRY_SECONDS = 1.0
"""Time between two attempts to reconnect."""


class ReconnectingSource(Source):
    """The frames of a live source, reopened by `open` after each loss, until `ended` is set.

    Each frame's time is its arrival, in ticks of 1/90000 s since the first: gaps stay gaps, and a
    stream without a clock (MJPEG) keeps its pace. Calls `tell` with a sentence when the source is
    lost and when it is back.
    """

    live = True
    time_base = Fraction(1, 90_000)

    def __init__(
        self, first: Source, open: Open, ended: threading.Event, tell: Callable[[str], None]
    ) -> None:
        self._source, self._open, self._ended, self._tell = first, open, ended, tell
        self.name, self.size, self.colour, self.rate = (
            first.name,
            first.size,
            first.colour,
            first.rate,
        )
        self.details = first.details
        self.sample_aspect_ratio = first.sample_aspect_ratio
        self.primaries, self.transfer = first.primaries, first.transfer
        self.warnings = []
        self._frames = self._read()

    def close(self) -> None:
        """Release the camera or stream."""
        super().close()
        self._source.close()

    def _read(self) -> Iterator[Frame]:
        began = time.monotonic()
        index, last = 0, -1
        while not self._ended.is_set():
            for frame in self._until_lost():
                pts = max(round((time.monotonic() - began) / self.time_base), last + 1)
                yield replace(frame, index=index, pts=pts, time_base=self.time_base)
                index, last = index + 1, pts
                if self._ended.is_set():
                    return
            self._reconnect()

    def _until_lost(self) -> Iterator[Frame]:
        with suppress(BadInput):
            yield from self._source
        self._source.close()

    def _reconnect(self) -> None:
        """Retry until the source opens or `ended` is set."""
        self.lost_since = time.monotonic()
        self.losses += 1
        self._tell(f"{self.name} is lost: connecting again")
        while not self._ended.wait(RETRY_SECONDS):
            try:
                self._source = self._open()
            except BadInput:
                continue
            seconds = time.monotonic() - self.lost_since
            self.lost_since = None
            self._tell(f"{self.name} is back after {seconds:.0f} s")
            return
