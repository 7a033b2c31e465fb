"""Collects the newest result and statistics of a running pipeline.

The threads of `lanes.live` write here; a screen reads `Figures.snapshot`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lanes.lines.departure import Event
from lanes.live.snapshot import Latency, Snapshot, State
from lanes.pipeline.labelled import Labelled
from lanes.system.meters import LatencyMeter, RateMeter
from lanes.types import Task
from lanes.video import Source

WINDOW = 300
"""Number of recent frames in the latency percentiles."""
NOTICES = 20
EVENTS = 100
SAME_SECONDS = 0.5
"""Events that begin closer than this are the same one."""


class Figures:
    """The newest result and recent statistics. Thread-safe.

    `changed` is notified of each result. `now` is a snapshot without latencies, notices and state.
    """

    def __init__(self, task: Task, changed: threading.Condition) -> None:
        self.now = Snapshot("opening", task)
        self._changed = changed
        self._rate = RateMeter()
        self._stages: dict[str, LatencyMeter] = {}
        self._notices: deque[str] = deque(maxlen=NOTICES)
        self._noticed = 0

    def snapshot(self, state: State, recording: Path | None, latency: bool = True) -> Snapshot:
        """A complete snapshot; without `latency` it takes a hundredth of the time."""
        with self._changed:
            now = replace(
                self.now,
                state=state,
                recording=recording,
                notices=tuple(self._notices),
                noticed=self._noticed,
            )
            if not latency:
                return now
            taken = {stage: list(meter.seconds) for stage, meter in self._stages.items()}
        percentiles = {
            stage: Latency(*(float(p) for p in np.percentile(seconds, (50, 95))))
            for stage, seconds in taken.items()
        }
        return replace(now, latency=percentiles)

    def note(self, **fields: Any) -> None:
        """Set fields of the snapshot."""
        with self._changed:
            self.now = replace(self.now, **fields)
            self._changed.notify_all()

    def notice(self, sentence: str) -> None:
        """Add a message, such as a lost camera or a failed recording."""
        with self._changed:
            self._notices.append(sentence)
            self._noticed += 1

    def dropped(self, count: int) -> None:
        """Count dropped frames."""
        with self._changed:
            self.now = replace(self.now, dropped=self.now.dropped + count)

    def _add(self, event: Event, origin: float) -> None:
        """Add an event, unless it was met before: a clip may be played again."""
        event = replace(event, start=event.start - origin, end=event.end - origin)
        known = [each for each in self.now.events if abs(each.start - event.start) > SAME_SECONDS]
        self.now = replace(self.now, events=tuple([*known, event][-EVENTS:]))

    def gap(self) -> None:
        """Reset the FPS meter, so that a pause does not lower the FPS."""
        with self._changed:
            self._rate = RateMeter()

    def publish(self, result: Labelled, source: Source) -> None:
        """Store the newest result, and update the statistics."""
        seconds = dict(result.seconds)
        if source.live:
            # For a live source, the decoding time is mostly the wait for the frame.
            seconds.pop("decode", None)
            seconds["total"] = time.perf_counter() - result.frame.captured
        position = result.frame.seconds - source.origin
        event = result.lane.event if result.follower else None
        with self._changed:
            if event:
                self._add(event, source.origin)
            self._rate.tick()
            for stage, taken in seconds.items():
                self._stages.setdefault(stage, LatencyMeter(WINDOW)).add(taken)
            self.now = replace(
                self.now,
                task=result.task,
                result=result,
                number=result.number,
                position=position,
                fps=self._rate.rate,
                frames=self.now.frames + 1,
            )
            self._changed.notify_all()
