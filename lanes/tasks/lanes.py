"""Road scenes from the driver's view: drivable ground, painted lane lines, and implied lines.

Paint and lines are distinct. `lane line` is visible paint. `implied line` is a lane line without
visible paint: between dashes, worn away, behind a vehicle. Models older than this class have the
first three classes.
"""

from __future__ import annotations

import numpy as np

from lanes.types import LabelClass, LabelMap, Task

BACKGROUND, DRIVABLE, LANE_LINE, IMPLIED_LINE = range(4)


def measure(labels: LabelMap) -> dict[str, float]:
    """Shares of the picture, 0..1. Lines lie on the road, so they count as drivable too."""
    counts = np.bincount(labels.ravel(), minlength=4) / max(labels.size, 1)
    return {
        "drivable share": float(counts[DRIVABLE : IMPLIED_LINE + 1].sum()),
        "lane line share": float(counts[LANE_LINE]),
        "implied line share": float(counts[IMPLIED_LINE]),
    }


TASK = Task(
    name="lanes",
    classes=(
        LabelClass("background", (0, 0, 0), alpha=0.0),
        LabelClass("drivable", (90, 190, 60), alpha=0.75),
        LabelClass("lane line", (40, 60, 255), alpha=1.6),
        LabelClass("implied line", (40, 160, 255), alpha=0.8),
    ),
    measure=measure,
    surface=(DRIVABLE, LANE_LINE, IMPLIED_LINE),
    lines=True,
    pictures="view",
)
