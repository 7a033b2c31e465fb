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
from lanes.video.lag import Lag
from lanes.video.sound import Tap

Open = Callable[[], Source]
RETRY_SECONDS = 1.0
"""Time between two attempts to reconnect."""


class ReconnectingSource(Source):
    """The frames of a live source, reopened by `open` after each loss, until `ended` is set.

    Times are those of the arrival without its jitter, in ticks of 1/90000 s since the first frame:
    gaps stay gaps. The sound of `tap` is in step. Calls `tell` with a sentence when the source is
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
        if first.tap:
            self.tap = Tap(first.tap.name, first.tap.streams)
        self.warnings = []
        self._frames = self._read()

    def close(self) -> None:
        """Release the camera or stream."""
        super().close()
        self._close_source()

    def _read(self) -> Iterator[Frame]:
        began = time.monotonic()
        index, last = 0, -1
        while not self._ended.is_set():
            lag = Lag()
            for frame in self._until_lost():
                own = frame.pts * frame.time_base
                later = lag.after(Fraction(time.monotonic() - began), own)
                self._pass_sound(later)
                pts = max(round((own + later) / self.time_base), last + 1)
                yield replace(frame, index=index, pts=pts, time_base=self.time_base)
                index, last = index + 1, pts
                if self._ended.is_set():
                    return
            self._reconnect()

    def _pass_sound(self, later: Fraction) -> None:
        if self.tap and self._source.tap:
            self.tap.add(self._source.tap.take(later))

    def _until_lost(self) -> Iterator[Frame]:
        with suppress(BadInput):
            yield from self._source
        self._close_source()

    def _close_source(self) -> None:
        if self.tap:
            self.tap.forget_streams()
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
            if self.tap and self._source.tap:
                self.tap.streams = self._source.tap.streams
            seconds = time.monotonic() - self.lost_since
            self.lost_since = None
            self._tell(f"{self.name} is back after {seconds:.0f} s")
            return
