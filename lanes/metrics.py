"""Figures from one confusion matrix pooled over a whole split, in NumPy.

An engine is scored exactly as a checkpoint is. Rows are target ids of the truth (see
`lanes.types.Dataset.TARGETS`), columns predicted class ids; for plain truth both are the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.types import IGNORE, LabelMap, Measure

Matrix = NDArray[np.int64]
F4_SIZE = (360, 640)
F4_RADIUS = 4
F4_SHARE = 0.3


def confusion_matrix(
    truth: NDArray[np.uint8], labels: LabelMap, classes: int, targets: int | None = None
) -> Matrix:
    """Pixel counts (K, C): row = target id of `truth`, column = class id of `labels`.

    Both arrays have one shape; pixels whose truth is 255 are left out. K is `targets`, or C.

    Raises:
        BadInput: shapes differ, or an id lies outside its range.
    """
    rows = targets or classes
    if truth.shape != labels.shape:
        raise BadInput(f"truth is {truth.shape}, labels are {labels.shape}: resize one of them")
    known = truth != IGNORE
    truth, labels = truth[known], labels[known]
    if truth.size and (truth.max() >= rows or labels.max() >= classes):
        got = f"truth up to {truth.max()}, labels up to {labels.max()}"
        raise BadInput(f"{got}; wanted ids below {rows} and {classes}")
    cells = truth.astype(np.intp) * classes + labels
    return np.bincount(cells, minlength=rows * classes).reshape(rows, classes).astype(np.int64)


def iou(matrix: Matrix) -> NDArray[np.float64]:
    """Intersection over union of each class (C,); NaN where a class occurs in neither map."""
    hit, union = _hit_and_union(matrix)
    return np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)


def dice(matrix: Matrix) -> NDArray[np.float64]:
    """Dice of each class (C,), 2 IoU / (1 + IoU); NaN where a class occurs in neither map."""
    overlap = iou(matrix)
    return 2 * overlap / (1 + overlap)


def _hit_and_union(matrix: Matrix) -> tuple[Matrix, Matrix]:
    hit = np.diag(matrix)
    return hit, matrix.sum(0) + matrix.sum(1) - hit


def measure_iou(matrix: Matrix, measure: Measure) -> float:
    """IoU of the joined `targets` rows with the joined `classes` columns; NaN where both are empty.

    A matrix of plain truth gives a class's IoU with `Measure((k,), (k,))`.
    """
    rows, columns = list(measure.targets), list(measure.classes)
    hit = matrix[np.ix_(rows, columns)].sum()
    union = matrix[rows].sum() + matrix[:, columns].sum() - hit
    return float(hit / union) if union else float("nan")


@dataclass(frozen=True)
class LineCounts:
    """Pixels behind the tolerant F score of thin lines; `+` pools two pictures."""

    near_truth: int = 0
    predicted: int = 0
    near_predicted: int = 0
    true: int = 0

    def __add__(self, other: LineCounts) -> LineCounts:
        return LineCounts(
            self.near_truth + other.near_truth,
            self.predicted + other.predicted,
            self.near_predicted + other.near_predicted,
            self.true + other.true,
        )

    @property
    def precision(self) -> float:
        """Share of predicted pixels near a true one; NaN without predicted pixels."""
        return self.near_truth / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Share of true pixels near a predicted one; NaN without true pixels."""
        return self.near_predicted / self.true if self.true else float("nan")

    @property
    def f4(self) -> float:
        """Harmonic mean of precision and recall; 0 if nothing fits, NaN if both maps are empty."""
        if not self.predicted and not self.true:
            return float("nan")
        # 2PR/(P+R) is 0 at the limit where a side is empty.
        if not self.near_truth or not self.near_predicted:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def line_counts(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> LineCounts:
    """Compare line masks (H, W) at 640x360 with a tolerance of 4 px (an ellipse).

    A mask of another size is area-averaged to 640x360 and cut at 0.3.
    """
    truth, predicted = _at_f4_size(truth), _at_f4_size(predicted)
    return LineCounts(
        near_truth=int((predicted & _widened(truth)).sum()),
        predicted=int(predicted.sum()),
        near_predicted=int((truth & _widened(predicted)).sum()),
        true=int(truth.sum()),
    )


def _at_f4_size(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if mask.shape == F4_SIZE:
        return mask
    height, width = F4_SIZE
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(share) >= F4_SHARE


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = 2 * F4_RADIUS + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc)) > 0


def bootstrap(
    counts: Sequence[NDArray[np.float64]], rounds: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Sums of `counts` (one array an image) over `rounds` resamplings of the images."""
    stacked = np.stack(counts)
    chosen = np.random.default_rng(seed).integers(0, len(counts), (rounds, len(counts)))
    return np.stack([stacked[row].sum(0) for row in chosen])
