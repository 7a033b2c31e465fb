"""Line pixels as strands: chains of runs, one run a row, that follow one line through the labels.

A run is an unbroken piece of line pixels in one row. Two runs of neighbouring rows are linked if
they overlap each other and nothing else, so a strand ends where lines merge, cross or fork.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lanes.types import LabelMap, Size

LANE_LINE = 2
"""First id of a line in the task `lanes`: 2 is paint, 3 an implied line."""
ROWS = 176
"""About so many rows of the labels are read."""
WIDER = 2.5
"""A run may be so many times as wide as the next one of its strand."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Strands:
    """All runs of a label map, in frame pixels, from the top row to the bottom.

    `x`, `y`, `width` (N,) are a run's centre and width. `strand` (N,) numbers the strands from 0;
    `count` is the number of strands. `step` is the distance between two rows.
    """

    x: Floats
    y: Floats
    width: Floats
    strand: NDArray[np.intp]
    count: int
    step: float


def strands_of(labels: LabelMap, size: Size) -> Strands:
    """The strands of the line pixels in `labels` (any size), for a frame of `size`."""
    every = max(round(labels.shape[0] / ROWS), 1)
    rows = labels[every // 2 :: every]
    line = np.zeros((rows.shape[0], rows.shape[1] + 2), bool)
    np.greater_equal(rows, LANE_LINE, out=line[:, 1:-1])
    stride = line.shape[1]
    edges = np.flatnonzero(line.ravel()[1:] != line.ravel()[:-1])
    start, end = edges[::2], edges[1::2]  # flat positions in `line`, less one
    row = start // stride
    left = start - row * stride
    width = end - start
    strand, count = _chains(start, end, width, stride)
    down, across = size[0] / labels.shape[0], size[1] / labels.shape[1]
    return Strands(
        x=(left + width / 2) * across - 0.5,
        y=(row * every + every // 2 + 0.5) * down - 0.5,
        width=width * across,
        strand=strand,
        count=count,
        step=every * down,
    )


def _chains(
    start: NDArray[np.intp], end: NDArray[np.intp], width: NDArray[np.intp], stride: int
) -> tuple[NDArray[np.intp], int]:
    """Number the chains of runs that overlap one to one from row to row."""
    count = len(start)
    first = np.searchsorted(end, start + stride, side="left")
    after = np.searchsorted(start, end + stride, side="right")
    last = np.searchsorted(start, end - stride, side="right")
    before = np.searchsorted(end, start - stride, side="left")
    below = np.minimum(first, count - 1)
    single = (after - first == 1) & ((last - before)[below] == 1)
    alike = np.maximum(width, width[below]) <= WIDER * np.minimum(width, width[below]) + 2
    root = np.arange(count)
    linked = np.flatnonzero(single & alike)
    root[below[linked]] = linked
    while True:
        higher = root[root]
        if np.array_equal(higher, root):
            break
        root = higher
    heads = np.flatnonzero(root == np.arange(count))
    return np.searchsorted(heads, root), len(heads)
