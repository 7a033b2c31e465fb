"""The state of a live pipeline, as a screen sees it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from lanes.draw import hud
from lanes.lines.departure import Event
from lanes.pipeline.labelled import Labelled
from lanes.types import Task

State: TypeAlias = Literal["opening", "playing", "paused", "lost", "ended", "stopped", "failed"]
ENDS: tuple[State, ...] = ("ended", "stopped", "failed")
"""The states in which no further frame comes by itself."""


@dataclass(frozen=True)
class Latency:
    """The median and the 95th percentile of a duration over the last frames, in seconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Snapshot:
    """The newest result and the state of the pipeline.

    `name` is the source's. Other threads use `result` too, so do not modify it: its `draw` and
    `lanes.draw.overlay.overlay` draw on a copy.
    `number` is the frame's index in the whole input, `position` its time in seconds. `duration`
    (seconds) and `total` (frames) are None if unknown. `fps` is the pipeline's. `latency` is by
    stage: decode, resize, infer, carry; for live sources also "total", from the frame's arrival to
    its labels. `dropped` is the number of frames skipped for newer ones.
    `iou` is by class, 0..1, pooled over the last 30 frames, `iou_total` over all frames since the
    start or the last seek; `consistency` likewise, between frames. `notices` are the last messages
    about losses, newest last, `noticed` the number of all messages so far. At the end of a file,
    `warnings` says what was wrong with it, and `unread` are the stretches, from and to in seconds,
    that could not be read. `events` are the departures and lane changes so far, in seconds of the
    input. `error` is what ended the pipeline.
    """

    state: State
    task: Task
    name: str = ""
    result: Labelled | None = None
    number: int = 0
    position: float = 0.0
    duration: float | None = None
    total: int | None = None
    live: bool = False
    fps: float = 0.0
    latency: dict[str, Latency] = field(default_factory=dict)
    frames: int = 0
    dropped: int = 0
    iou: dict[str, float] = field(default_factory=dict)
    iou_total: dict[str, float] = field(default_factory=dict)
    consistency: dict[str, float] = field(default_factory=dict)
    recording: Path | None = None
    notices: tuple[str, ...] = ()
    noticed: int = 0
    warnings: tuple[str, ...] = ()
    unread: tuple[tuple[float, float], ...] = ()
    events: tuple[Event, ...] = ()
    error: BaseException | None = None

    @property
    def all_events(self) -> tuple[Event, ...]:
        """`events`, and a departure that has not ended."""
        keeping = self.result.lane.keeping if self.result and self.result.follower else None
        if keeping is None or keeping.under_way is None:
            return self.events
        end = self.position
        start = end - (keeping.under_way.end - keeping.under_way.start)
        return (*self.events, replace(keeping.under_way, start=start, end=end))

    @property
    def measures(self) -> dict[str, float]:
        """The task's measures of the newest frame; computed on first access."""
        return self.result.measures if self.result else {}


def hud_lines(now: Snapshot) -> list[str]:
    """The lines of the HUD for a snapshot."""
    p50 = {stage: latency.p50 for stage, latency in now.latency.items()}
    return hud.figures_as_lines(
        now.task,
        now.fps,
        p50.get("infer"),
        latency=p50.get("total"),
        dropped=now.dropped,
        iou=now.iou,
        consistency=now.consistency,
        measures=now.measures if now.task.things else None,
    )
