"""Exact truth for tests of lanes.lines: the lines of a synthetic frame that its labels show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from lanes.metrics.tusimple import score_frame
from lanes.synthetic.road import render, scene
from lanes.synthetic.true_lines import true_lines
from lanes.types import Image, LabelMap

SIZE = (352, 640)
ROWS = np.arange(1.0, SIZE[0], 5.0)
TO_TUSIMPLE = 2
"""Its limits hold for pictures 1280 wide."""


@dataclass(frozen=True)
class Example:
    """A frame, its labels, and its true lines: the two nearest on each side."""

    scene: object
    seconds: float
    image: Image
    labels: LabelMap
    lines: list


@lru_cache(maxsize=1000)
def example(seed):
    """A frame of a scene at a random time."""
    made, seconds = scene(seed), float(np.random.default_rng([seed, 9]).uniform(0, 20))
    image, labels = render(made, SIZE, seconds)
    near = cv2.dilate((labels >= 2).astype(np.uint8), np.ones((3, 5)))
    seen = [line for line in true_lines(made, SIZE, seconds) if is_seen(line, near)]
    left = [line for line in seen if line.right < 0][-2:]
    return Example(made, seconds, image, labels, left + [x for x in seen if x.right >= 0][:2])


def is_seen(line, near):
    """Whether a third of a line's rows in the picture carry labels."""
    x = in_rows(line)
    rows, columns = ROWS[x >= 0].astype(int), np.rint(x[x >= 0]).astype(int)
    return len(rows) > 5 and near[rows, columns].mean() > 1 / 3


def in_rows(line):
    """x in `ROWS`; -2 where the line is not in the picture."""
    x = line.x_at(ROWS)
    return np.where((x >= 0) & (x <= SIZE[1] - 1), x, -2)


def tusimple_scores(found, truth):
    """TuSimple's scores of the lines that have a side."""
    ours = np.array([in_rows(line) for line in found if line.side]).reshape(-1, len(ROWS))
    true = np.array([in_rows(line) for line in truth]).reshape(-1, len(ROWS))
    return score_frame(ours * TO_TUSIMPLE, true * TO_TUSIMPLE, ROWS * TO_TUSIMPLE)


def matched(line, truth):
    """The true line that a found one lies on (8 px on 3 of 4 rows), or None."""
    x = line.x_at(ROWS)
    close = [(np.abs(true.x_at(ROWS) - x)[~np.isnan(x)] < 8).mean() for true in truth]
    return truth[int(np.argmax(close))] if close and max(close) > 0.75 else None
