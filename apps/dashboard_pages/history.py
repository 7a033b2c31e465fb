"""A pipeline's figures over time, as rows for charts and CSV."""

from __future__ import annotations

import csv
import io
from collections import deque
from dataclasses import dataclass
from typing import Any

from lanes.live.player import Snapshot

KEPT = 3600
"""Samples kept: an hour at one per second."""
CHARTED = 120
"""Samples drawn in charts: the latest."""
TIME = "seconds"
SHARE, PIXELS, COUNT = "share", "pixels", "count"
"""The units of the tasks' measures."""


def unit_of(measure: str) -> str:
    """The unit of a measure, derived from its name."""
    if measure.endswith(("share", "ratio")):
        return SHARE
    return PIXELS if "diameter" in measure else COUNT


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
        return cls(seconds, now.fps, latency, now.iou, now.consistency, now.measures)

    def row(self) -> dict[str, float]:
        """All figures as one table row; names include the unit."""
        row = {TIME: round(self.seconds, 2), "pipeline_fps": round(self.fps, 2)}
        for stage, taken in self.latency.items():
            for name, value in zip(("p50", "p95"), taken, strict=True):
                row[f"{stage}_{name}_ms"] = round(value * 1e3, 3)
        for kind in ("iou", "consistency"):
            for name, value in getattr(self, kind).items():
                row[f"{kind}_{_word(name)}"] = round(value, 5)
        return row | {_word(name): round(value, 5) for name, value in self.measures.items()}


def _word(name: str) -> str:
    return name.replace(" ", "_")


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

    def latencies(self) -> list[dict[str, Any]]:
        """Chart rows: p50 and p95 in ms by stage and time."""
        return [
            {TIME: sample.seconds, "stage": stage, "of frames": percent, "ms": taken * 1e3}
            for sample in self._charted()
            for stage, pair in sample.latency.items()
            for percent, taken in zip(("p50", "p95"), pair, strict=True)
        ]

    def by_class(self, kind: str) -> list[dict[str, Any]]:
        """Chart rows: `kind` ("iou", "consistency" or "measures") by name and time."""
        return [
            {TIME: sample.seconds, "name": name, "value": value}
            for sample in self._charted()
            for name, value in getattr(sample, kind).items()
        ]

    def measures_by_unit(self) -> dict[str, list[dict[str, Any]]]:
        """Chart rows for each unit: the task's measures by name and time."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.by_class("measures"):
            found.setdefault(unit_of(row["name"]), []).append(row)
        return found

    def rates(self) -> list[dict[str, Any]]:
        """Chart rows: the pipeline's frames per second by time."""
        return [{TIME: s.seconds, "fps": s.fps} for s in self._charted()]

    def _charted(self) -> list[Sample]:
        return list(self.samples)[-CHARTED:]
