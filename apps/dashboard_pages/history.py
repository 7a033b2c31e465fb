"""What a pipeline's figures were over time: the rows of charts, and of the CSV of them."""

from __future__ import annotations

import csv
import io
from collections import deque
from dataclasses import dataclass
from typing import Any

from lanes.live.player import Snapshot

KEPT = 3600
"""Samples that are kept: an hour, one a second."""
CHARTED = 120
"""The last so many are drawn."""
TIME = "seconds"
SHARE, PIXELS, COUNT = "share", "pixels", "count"
"""The units of what tasks measure."""


def unit_of(measure: str) -> str:
    """The unit of a task's measure, by its name."""
    if measure.endswith(("share", "ratio")):
        return SHARE
    return PIXELS if "diameter" in measure else COUNT


@dataclass(frozen=True)
class Sample:
    """The figures at one time; latencies in seconds by stage as (p50, p95), shares 0..1."""

    seconds: float
    fps: float
    latency: dict[str, tuple[float, float]]
    iou: dict[str, float]
    consistency: dict[str, float]
    measures: dict[str, float]

    @classmethod
    def of(cls, now: Snapshot, seconds: float) -> Sample:
        """What a snapshot says, `seconds` after the start."""
        latency = {stage: (taken.p50, taken.p95) for stage, taken in now.latency.items()}
        return cls(seconds, now.fps, latency, now.iou, now.consistency, now.measures)

    def row(self) -> dict[str, float]:
        """All figures by name, with their units, as a line of a table."""
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
    """Samples in order, the oldest forgotten."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, sample: Sample) -> None:
        """Add the newest."""
        self.samples.append(sample)

    def csv(self) -> str:
        """All samples as a table; a figure that a sample lacks is left empty."""
        rows = [sample.row() for sample in list(self.samples)]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return table.getvalue()

    def latencies(self) -> list[dict[str, Any]]:
        """Rows for a chart: a stage's p50 and p95 in ms, at each time."""
        return [
            {TIME: sample.seconds, "stage": stage, "of frames": percent, "ms": taken * 1e3}
            for sample in self._charted()
            for stage, pair in sample.latency.items()
            for percent, taken in zip(("p50", "p95"), pair, strict=True)
        ]

    def by_class(self, kind: str) -> list[dict[str, Any]]:
        """Rows for a chart: `kind` ("iou", "consistency" or "measures") by name, at each time."""
        return [
            {TIME: sample.seconds, "name": name, "value": value}
            for sample in self._charted()
            for name, value in getattr(sample, kind).items()
        ]

    def measures_by_unit(self) -> dict[str, list[dict[str, Any]]]:
        """Rows for a chart of each unit: what the task measured, by name, at each time."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.by_class("measures"):
            found.setdefault(unit_of(row["name"]), []).append(row)
        return found

    def rates(self) -> list[dict[str, Any]]:
        """Rows for a chart: the pipeline's frames a second, at each time."""
        return [{TIME: s.seconds, "fps": s.fps} for s in self._charted()]

    def _charted(self) -> list[Sample]:
        return list(self.samples)[-CHARTED:]
