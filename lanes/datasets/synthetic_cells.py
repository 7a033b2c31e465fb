"""Blood smears drawn by the project itself, for the task cell_count: every cell, no files.

Stains, light, crowding and dirt vary as between laboratories. A border pixel has two cells at most
two pixels away, as in bbbc041seg.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from lanes.datasets import _cells, _smear
from lanes.synthetic.smear import NUCLEUS, drift, foreign, render, smear
from lanes.types import Image, LabelMap, Sample, Size

TASK = "cell_count"
TARGETS, MEASURES = _cells.TARGETS, {**_cells.MEASURES, **_cells.NUCLEI}
TERMS = _smear.TERMS
NEEDS_NO_FILES = True
SIZE = (384, 512)
DIAMETERS = (36, 58)
"""Of red cells, in pixels; in bbbc041seg they are about 46."""
WHITE = 0.25
"""White cells per area of 10 x 10 red cells."""
DEMO_SEED, DEMO_DIAMETER = 3, 46.0


def open(root: str | Path, split: str, count: int | None = None) -> _smear.Smears:
    """Open a split of `count` pictures (train 1200, choose 50, val 100); `root` is not used.

    Raises:
        UnknownName: there is no such split.
    """
    return _smear.open_split((TASK, TARGETS, MEASURES), _draw, split, count)


def _draw(seed: int) -> Sample:
    diameter = float(np.random.default_rng([seed, 9]).uniform(*DIAMETERS))
    slide = render(foreign(seed, diameter, WHITE), SIZE)
    targets = _cells.targets_of(slide.cells)
    targets[(slide.labels == NUCLEUS) & (targets == _cells.CELL)] = _cells.NUCLEUS
    return Sample(slide.image, targets, instances=slide.cells)


def demo(count: int, size: Size, rate: Fraction) -> Iterator[tuple[Image, LabelMap]]:
    """Frames and labels of a demo clip at `rate` frames a second: a slide under the microscope."""
    for slide in drift(smear(DEMO_SEED, DEMO_DIAMETER, WHITE), size, count, rate):
        yield slide.image, np.minimum(_cells.targets_of(slide.cells), _cells.BORDER)
