"""What a pipeline in a thread tells a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from lanes.draw import hud
from lanes.pipeline.labelled import Labelled
from lanes.types import Task

State: TypeAlias = Literal["opening", "playing", "paused", "lost", "ended", "stopped", "failed"]
ENDS: tuple[State, ...] = ("ended", "stopped", "failed")
"""The states in which no further frame comes by itself."""


@dataclass(frozen=True)
class Latency:
    """Half, and 95 of 100, of the last frames took at most so many seconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Snapshot:
    """What a screen asks for: the newest result, and how it goes.

    `name` is the source's. `result` must not be changed, for others look at it, too:
    its `draw` and `lanes.draw.overlay.overlay` draw on a copy.
    `number` is the frame's place in the whole input, `position` its time in seconds from the first
    picture. `duration` and `total` (frames) are None where unknown. `fps` is the pipeline's.
    `latency` is by stage: decode, resize, infer, carry; where the newest frame counts also "total",
    from the frame's coming to its labels. `dropped` frames were left out for newer ones.
    `iou` is by class, 0..1, pooled over the last 30 frames, `iou_total` over all since the input or
    a place in it was begun with; `consistency` likewise, between frames. `notices` are the last of
    `noticed` sentences about losses, newest last. `error` is what ended the pipeline.
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
    error: BaseException | None = None

    @property
    def measures(self) -> dict[str, float]:
        """What the task measures in the newest frame; computed when first asked for."""
        return self.result.measures if self.result else {}


def hud_lines(now: Snapshot) -> list[str]:
    """A snapshot's figures as the lines of a head-up display."""
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
