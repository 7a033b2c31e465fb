"""Blood smears drawn by the project itself, for the task blood_cells: exact labels, no files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from lanes.datasets import _smear
from lanes.synthetic.smear import drift, render, smear
from lanes.types import Image, LabelMap, Measure, Sample, Size

TASK = "blood_cells"
TARGETS = np.eye(3, dtype=bool)
MEASURES = {
    "cytoplasm": Measure(targets=(1,), classes=(1,)),
    "nucleus": Measure(targets=(2,), classes=(2,)),
    "cell": Measure(targets=(1, 2), classes=(1, 2)),
}
TERMS = _smear.TERMS
NEEDS_NO_FILES = True
SIZE = (320, 320)
DEMO_SEED, DEMO_DIAMETER = 3, 64.0


def open(root: str | Path, split: str, count: int | None = None) -> _smear.Smears:
    """Open a split of `count` pictures (train 1200, choose 50, val 100); `root` is not used.

    Raises:
        UnknownName: there is no such split.
    """
    return _smear.open_split((TASK, TARGETS, MEASURES), _draw, split, count)


def _draw(seed: int) -> Sample:
    slide = render(smear(seed), SIZE)
    return Sample(slide.image, slide.labels, instances=slide.white)


def demo(count: int, size: Size, rate: Fraction) -> Iterator[tuple[Image, LabelMap]]:
    """Frames and labels of a demo clip at `rate` frames a second: a slide under the microscope."""
    for slide in drift(smear(DEMO_SEED, DEMO_DIAMETER, white=1.5), size, count, rate):
        yield slide.image, slide.labels
