"""Turn instance maps of cells into the targets of the task `cell_count`."""

from __future__ import annotations

import numpy as np

from lanes.cells.borders import REACH, between
from lanes.types import InstanceMap, LabelMap, Measure

BACKGROUND, CELL, BORDER, GAP, NUCLEUS, OTHER = range(6)
"""Target ids. A gap is a border that no cell owns; other is anything but a nucleus."""
TARGETS = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 0]], bool
)
NUCLEUS_CLASS = 3
"""The id of the class nucleus in the task; the ids of the other classes are those of targets."""
MEASURES = {
    "cell": Measure(targets=(CELL, BORDER, NUCLEUS), classes=(CELL, BORDER, NUCLEUS_CLASS)),
    "border": Measure(targets=(BORDER, GAP), classes=(BORDER,)),
}
NUCLEI = {"nucleus": Measure(targets=(NUCLEUS,), classes=(NUCLEUS_CLASS,))}
"""Also a measure of data sets that mark nuclei."""


def targets_of(instances: InstanceMap, reach: int = REACH) -> LabelMap:
    """Target ids (H, W) of an instance map (H, W); see `lanes.cells.borders`."""
    of_cell, touching = instances > 0, between(instances, reach)
    targets = np.where(touching, np.where(of_cell, BORDER, GAP), np.where(of_cell, CELL, 0))
    return targets.astype(np.uint8)
