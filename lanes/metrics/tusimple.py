"""Official scores of the TuSimple lane benchmark (2017): accuracy, FP, FN, and F1.

Rules, as published with the benchmark (github.com/TuSimple/tusimple-benchmark, lane detection):

- A line is its x in the rows of the truth; x < 0: the line is absent there.
- A predicted x is right if it is less than 20 px / cos(angle) from the true one. The angle is that
  of the straight line through the true points. Absent in both is right too.
- The accuracy of a true line is the largest share of right rows over all predicted lines. It is
  found if that is at least 0.85.
- FP = predictions beyond the found lines / predictions. FN = missed / true lines.
- A frame with more than 4 true lines forgives its worst one: its accuracy and one miss are dropped,
  and the sums are divided by 4.
- A frame that took more than 200 ms, or has more than 2 lines too many, scores 0, 0, 1.

A set's figures are the means over its frames. F1 is that of precision 1 - FP and recall 1 - FN.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.lines.files import TuSimpleFrame, read_tusimple

PIXELS, FOUND = 20.0, 0.85
MOST_EXTRA, SLOWEST = 2, 200.0
FORGIVING = 4

Lines = NDArray[np.float64]
"""(lines, rows): x in pixels, < 0 where a line is absent."""


class Scores(NamedTuple):
    """Accuracy, false positives and false negatives of a frame or a set, 0..1."""

    accuracy: float
    fp: float
    fn: float

    @property
    def f1(self) -> float:
        """Harmonic mean of 1 - fp and 1 - fn."""
        precision, recall = 1 - self.fp, 1 - self.fn
        return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def score_frame(
    predicted: Lines, truth: Lines, rows: NDArray[np.float64], milliseconds: float = 0.0
) -> Scores:
    """Score the lines of one frame; `rows` (R,) are the pixel rows of both, shape (lines, R)."""
    if milliseconds > SLOWEST or len(predicted) > len(truth) + MOST_EXTRA:
        return Scores(0.0, 0.0, 1.0)
    accuracies = _accuracies(predicted, truth, rows)
    found = int((accuracies >= FOUND).sum())
    missed, total = len(truth) - found, float(accuracies.sum())
    if len(truth) > FORGIVING:
        missed, total = max(missed - 1, 0), total - float(accuracies.min())
    count = max(min(len(truth), FORGIVING), 1)
    extra = (len(predicted) - found) / len(predicted) if len(predicted) else 0.0
    return Scores(total / count, extra, missed / count)


def mean_scores(frames: Sequence[Scores]) -> Scores:
    """The figures of a set: the means over its frames."""
    return Scores(*(float(value) for value in np.mean(frames, axis=0)))


def _accuracies(predicted: Lines, truth: Lines, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best accuracy of each true line, (lines,)."""
    if not len(predicted) or not len(truth):
        return np.zeros(len(truth))
    limits = PIXELS * np.hypot(1, _slopes(truth, rows))  # 1 / cos(arctan(slope))
    absent = -100.0
    ours, true = np.where(predicted < 0, absent, predicted), np.where(truth < 0, absent, truth)
    right = np.abs(ours[None] - true[:, None]) < limits[:, None, None]
    best: NDArray[np.float64] = right.mean(axis=2).max(axis=1)
    return best


def _slopes(lines: Lines, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The slope dx / dy of the least-squares line through each line's points; 0 for one point."""
    there = lines >= 0
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    y = np.where(there, rows - np.where(there, rows, 0).sum(1, keepdims=True) / count, 0)
    x = np.where(there, lines, 0)
    slopes: NDArray[np.float64] = (x * y).sum(1) / np.maximum((y * y).sum(1), 1e-12)
    return slopes


def score_files(predicted: Path, truth: Path) -> Scores:
    """Score a TuSimple file of predictions against one of truth.

    Raises:
        BadInput: a file is unusable, or the two do not have the same frames and rows.
    """
    ours, true = read_tusimple(predicted, truth=False), read_tusimple(truth, truth=True)
    if not true:
        raise BadInput(f"{truth} holds no frames: name the file with the benchmark's labels")
    if ours.keys() != true.keys():
        name = sorted(ours.keys() ^ true.keys())[0]
        raise BadInput(
            f"{predicted} has {len(ours)} frames, {truth} {len(true)}, and {name} is in one "
            "of them only; wanted a prediction for each frame of the truth (one without lines: [])"
        )
    return mean_scores([_score(name, ours[name], frame) for name, frame in true.items()])


def _score(name: str, ours: TuSimpleFrame, true: TuSimpleFrame) -> Scores:
    assert true.rows is not None
    count = len(true.rows)
    if len(ours.lanes) and ours.lanes.shape[1] != count:
        raise BadInput(
            f"the prediction of {name} has {ours.lanes.shape[1]} values a lane; its truth has "
            f"{count} rows: give one x for each of its h_samples"
        )
    lanes = [frame.lanes.reshape(-1, count) for frame in (ours, true)]
    return score_frame(lanes[0], lanes[1], true.rows, ours.milliseconds)
