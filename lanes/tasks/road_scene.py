"""Street scenes in CamVid's eleven classes; paint on the road is road."""

from __future__ import annotations

import numpy as np

from lanes.types import LabelClass, LabelMap, Task

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)


def measure(labels: LabelMap) -> dict[str, float]:
    """Shares of the picture, 0..1."""
    counts = np.bincount(labels.ravel(), minlength=11) / max(labels.size, 1)
    return {
        "road share": float(counts[ROAD]),
        "car share": float(counts[CAR]),
        "people share": float(counts[PEDESTRIAN] + counts[BICYCLIST]),
    }


# The colours of the CamVid database (Brostow et al. 2009), BGR.
TASK = Task(
    name="road_scene",
    classes=(
        LabelClass("sky", (128, 128, 128), alpha=0.0),
        LabelClass("building", (0, 0, 128), alpha=0.8),
        LabelClass("pole", (128, 192, 192)),
        LabelClass("road", (128, 64, 128)),
        LabelClass("pavement", (192, 0, 0)),
        LabelClass("tree", (0, 128, 128), alpha=0.8),
        LabelClass("sign", (128, 128, 192)),
        LabelClass("fence", (128, 64, 64)),
        LabelClass("car", (128, 0, 64), alpha=1.2),
        LabelClass("pedestrian", (0, 64, 64), alpha=1.4),
        LabelClass("bicyclist", (192, 128, 0), alpha=1.2),
    ),
    measure=measure,
    pictures="view",
)
