"""What a screen wants of the thread that plays, and where that thread stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from lanes.segmenter import Segmenter
from lanes.video import Source


class Control:
    """The state that the screen's threads and the playing thread share.

    `changed` is its lock, and wakes up those that wait. A single attribute is read without the
    lock; `changing` takes it.
    """

    def __init__(self, segmenter: Segmenter, real_time: bool) -> None:
        self.changed = threading.Condition()
        self.stop = threading.Event()
        # Set by the screen.
        self.segmenter, self.real_time, self.paused = segmenter, real_time, False
        self.seek: float | None = None
        # Set by the thread.
        self.source: Source | None = None
        self.ended = False

    @contextmanager
    def changing(self) -> Iterator[Self]:
        """Change attributes within the block, then wake up those that wait."""
        with self.changed:
            yield self
            self.changed.notify_all()

    @property
    def leaving(self) -> bool:
        """Whether this place of the input is to be left: for another, or for good."""
        return self.seek is not None or self.stop.is_set()
