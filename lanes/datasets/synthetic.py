"""Roads drawn by the project itself: any number of pairs, with exact labels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from lanes.errors import UnknownName
from lanes.plugins import unknown
from lanes.synthetic.road import demo_scene, render, scene
from lanes.types import Image, LabelMap, Measure, Sample, Size

TASK = "lanes"
TARGETS = np.eye(4, dtype=bool)
MEASURES = {
    "drivable": Measure(targets=(1, 2, 3), classes=(1, 2, 3)),
    "lane line": Measure(targets=(2,), classes=(2,), lines=True),
    "line": Measure(targets=(2, 3), classes=(2, 3), lines=True),
}
TERMS = "none: drawn by lanes itself"
NEEDS_NO_FILES = True
SIZE = (360, 640)
SPLITS = {"train": (0, 1200), "choose": (1_000_000, 50), "val": (2_000_000, 100)}
"""First seed and number of frames of each split."""


class Synthetic:
    """Frames of random scenes: image (360, 640, 3), targets (360, 640) with the task's class ids.

    Class 2 is the visible paint of a line, 3 the line where it has no paint.
    """

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def __init__(self, first_seed: int, count: int) -> None:
        self.first_seed = first_seed
        self.count = count
        # Setting up a scene takes about 50 ms; keeping a frame takes 0.9 MB.
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"no sample {index}: the data set has {self.count}")
        if index not in self._kept:
            self._kept[index] = self._draw(self.first_seed + index)
        return self._kept[index]

    def _draw(self, seed: int) -> Sample:
        seconds = float(np.random.default_rng([seed, 9]).uniform(0, 20))
        image, labels = render(scene(seed), SIZE, seconds)
        return Sample(image, labels)


def open(root: str | Path, split: str, count: int | None = None) -> Synthetic:
    """Open a split of `count` frames (train 1200, choose 50, val 100); `root` is not used.

    Raises:
        UnknownName: there is no such split.
    """
    if split not in SPLITS:
        raise UnknownName(unknown("synthetic", split, list(SPLITS)))
    first_seed, frames = SPLITS[split]
    return Synthetic(first_seed, frames if count is None else count)


def demo(count: int, size: Size, rate: Fraction) -> Iterator[tuple[Image, LabelMap]]:
    """Frames and labels of a demo clip at `rate` frames a second: a drive on a motorway."""
    drive = demo_scene()
    for number in range(count):
        yield render(drive, size, float(number / rate))
