"""The state shared by a screen and its playback thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from lanes.segmenter import Segmenter
from lanes.video import Source


class Control:
    """Requests of the screen's threads, and the state of the playback thread.

    `changed` is the lock, and notifies waiting threads. Single attributes may be read without the
    lock; write them within `changing`.
    """

    def __init__(self, segmenter: Segmenter, real_time: bool) -> None:
        self.changed = threading.Condition()
        self.stop = threading.Event()
        # Set by the screen.
        self.segmenter, self.real_time, self.paused = segmenter, real_time, False
        self.seek: float | None = None
        # Set by the playback thread.
        self.source: Source | None = None
        self.ended = False

    @contextmanager
    def changing(self) -> Iterator[Self]:
        """Hold the lock during the block, then notify waiting threads."""
        with self.changed:
            yield self
            self.changed.notify_all()

    @property
    def leaving(self) -> bool:
        """Whether a seek or a stop is requested."""
        return self.seek is not None or self.stop.is_set()
