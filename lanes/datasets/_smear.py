"""Shared code of the data sets of drawn blood smears."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes.errors import UnknownName
from lanes.plugins import unknown
from lanes.types import Measure, Sample

SPLITS = {"train": (0, 1200), "choose": (1_000_000, 50), "val": (2_000_000, 100)}
"""First seed and number of pictures of each split."""
TERMS = "none: drawn by lanes itself"


Meaning: TypeAlias = tuple[str, NDArray[np.bool_], Mapping[str, Measure]]
"""A data set's `TASK`, `TARGETS` and `MEASURES`."""


class Smears:
    """Pictures that `draw` makes from seeds from `first_seed` up; see `lanes.types.Dataset`."""

    def __init__(
        self, meaning: Meaning, draw: Callable[[int], Sample], first_seed: int, count: int
    ) -> None:
        self.TASK, self.TARGETS, self.MEASURES = meaning
        self.draw, self.first_seed, self.count = draw, first_seed, count
        # Drawing a picture takes about 40 ms; keeping it takes 1 to 2 MB.
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"no sample {index}: the data set has {self.count}")
        if index not in self._kept:
            self._kept[index] = self.draw(self.first_seed + index)
        return self._kept[index]


def open_split(
    meaning: Meaning, draw: Callable[[int], Sample], split: str, count: int | None
) -> Smears:
    """The pictures of `split`, or the first `count` of them; raises `UnknownName`."""
    if split not in SPLITS:
        raise UnknownName(unknown("a data set of drawn smears", split, list(SPLITS)))
    first_seed, whole = SPLITS[split]
    return Smears(meaning, draw, first_seed, whole if count is None else count)
