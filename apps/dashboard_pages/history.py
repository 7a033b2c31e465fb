"""A pipeline's figures over time, as rows for charts and CSV."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lanes import tasks
from lanes.live.player import Snapshot
from lanes.types import Task, Unit

KEPT = 3600
"""Samples kept: an hour at one per second."""
CHARTED = 120
"""Samples drawn in charts: the latest."""
TIME = "seconds"
Rows: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class Sample:
    """The figures at one moment: latency by stage as (p50, p95) in seconds, shares 0..1."""

    seconds: float
    fps: float
    latency: dict[str, tuple[float, float]]
    iou: dict[str, float]
    consistency: dict[str, float]
    measures: dict[str, float]

    @classmethod
    def of(cls, now: Snapshot, seconds: float) -> Sample:
        """The figures of a snapshot taken `seconds` after the start."""
        latency = {stage: (taken.p50, taken.p95) for stage, taken in now.latency.items()}
        return cls(seconds, now.fps, latency, now.iou, now.consistency, measures(now))

    def row(self) -> dict[str, float]:
        """All figures as one table row; names include the unit."""
        row = {TIME: round(self.seconds, 2), "pipeline_fps": round(self.fps, 2)}
        for stage, taken in self.latency.items():
            for name, value in zip(("p50", "p95"), taken, strict=True):
                row[f"{stage}_{name}_ms"] = round(value * 1e3, 3)
        for kind, values in (("iou", self.iou), ("consistency", self.consistency)):
            row |= {f"{kind}_{_word(name)}": round(value, 5) for name, value in values.items()}
        return row | {_word(name): round(value, 5) for name, value in self.measures.items()}


def _word(name: str) -> str:
    return name.replace(" ", "_")


def measures(now: Snapshot) -> dict[str, float]:
    """The task's measures, without those of classes that are newer than the model."""
    task = now.task
    newer = tasks.load(task.name).class_names[len(task.classes) :] if task.later else ()
    return {name: value for name, value in now.measures.items() if not name.startswith(newer)}


class History:
    """Samples in order; the oldest are dropped."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, sample: Sample) -> None:
        """Append a sample."""
        self.samples.append(sample)

    def csv(self) -> str:
        """All samples as CSV; missing figures are empty."""
        rows = [sample.row() for sample in list(self.samples)]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return table.getvalue()

    def latencies(self) -> Rows:
        """Chart rows: p50 and p95 in ms by stage and time."""
        return [
            {TIME: sample.seconds, "stage": stage, "of frames": percent, "ms": taken * 1e3}
            for sample in self._charted()
            for stage, pair in sample.latency.items()
            for percent, taken in zip(("p50", "p95"), pair, strict=True)
        ]

    def iou(self) -> Rows:
        """Chart rows: IoU by class and time."""
        return self._by_name(lambda sample: sample.iou)

    def consistency(self) -> Rows:
        """Chart rows: temporal consistency by class and time."""
        return self._by_name(lambda sample: sample.consistency)

    def measures_by_unit(self, task: Task) -> dict[Unit, Rows]:
        """Chart rows for each unit: the task's measures by name and time."""
        found: dict[Unit, Rows] = {}
        for row in self._by_name(lambda sample: sample.measures):
            found.setdefault(task.unit_of(row["name"]), []).append(row)
        return found

    def _by_name(self, values_of: Callable[[Sample], dict[str, float]]) -> Rows:
        return [
            {TIME: sample.seconds, "name": name, "value": value}
            for sample in self._charted()
            for name, value in values_of(sample).items()
        ]

    def rates(self) -> Rows:
        """Chart rows: the pipeline's frames per second by time."""
        return [{TIME: s.seconds, "fps": s.fps} for s in self._charted()]

    def _charted(self) -> list[Sample]:
        return list(self.samples)[-CHARTED:]
