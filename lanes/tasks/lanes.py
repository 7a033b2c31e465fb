"""Road scenes as a driver sees them: where one can drive, and the painted lane lines."""

from __future__ import annotations

import numpy as np

from lanes.types import LabelClass, LabelMap, Task

BACKGROUND, DRIVABLE, LANE_LINE = range(3)


def measure(labels: LabelMap) -> dict[str, float]:
    """Shares of the picture, 0..1. Paint lies on the road, so it counts as drivable too."""
    counts = np.bincount(labels.ravel(), minlength=3) / max(labels.size, 1)
    return {
        "drivable share": float(counts[DRIVABLE] + counts[LANE_LINE]),
        "lane line share": float(counts[LANE_LINE]),
    }


TASK = Task(
    name="lanes",
    classes=(
        LabelClass("background", (0, 0, 0), alpha=0.0),
        LabelClass("drivable", (90, 190, 60), alpha=0.75),
        LabelClass("lane line", (40, 60, 255), alpha=1.6),
    ),
    measure=measure,
)
