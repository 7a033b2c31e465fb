"""Figures from one confusion matrix pooled over a whole split, in NumPy.

Engines and checkpoints are scored by the same code. Rows are target ids of the truth (see
`lanes.types.Dataset.TARGETS`), columns predicted class ids; for plain truth both are the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.images.resize import covered
from lanes.metrics.figures import Kind
from lanes.types import IGNORE, LabelMap, Measure

Matrix = NDArray[np.int64]
Ids: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.bool_]
"""Label ids in any integer type, or a mask."""
Tallies = TypeVar("Tallies", NDArray[np.int64], NDArray[np.float64])
F4_SIZE = (360, 640)
F4_RADIUS = 4


def confusion_matrix(truth: Ids, labels: Ids, classes: int, targets: int | None = None) -> Matrix:
    """Pixel counts (K, C): row = target id of `truth`, column = class id of `labels`.

    Both are integers or bools of the same shape; pixels with truth 255 are skipped. K is `targets`,
    or C.

    Raises:
        BadInput: shapes differ, or an id lies outside its range or is no integer.
    """
    rows = targets or classes
    if truth.shape != labels.shape:
        raise BadInput(f"truth is {truth.shape}, labels are {labels.shape}: resize one of them")
    return _matrix(_as_ids(truth, "truth"), _as_ids(labels, "labels"), rows, classes)


def _matrix(truth: LabelMap, labels: LabelMap, rows: int, classes: int) -> Matrix:
    counted = _counted(truth, labels, rows, classes)
    if counted is not None:
        return counted
    known = truth != IGNORE
    truth, labels = truth[known], labels[known]
    if truth.size and (truth.max() >= rows or labels.max() >= classes):
        got = f"truth up to {truth.max()}, labels up to {labels.max()}"
        raise BadInput(f"{got}; wanted ids below {rows} and {classes}")
    cells = truth.astype(np.intp) * classes + labels
    return np.bincount(cells, minlength=rows * classes).reshape(rows, classes).astype(np.int64)


def _as_ids(array: Ids, name: str) -> LabelMap:
    """`array` as uint8; raises `BadInput` where that would change a value."""
    if array.dtype.kind not in "bui":
        raise BadInput(f"{name} holds {array.dtype}; wanted integer ids or bools: round it")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= IGNORE:
        raise BadInput(f"{name} holds {array.min()} to {array.max()}; wanted 0 to {IGNORE}")
    return np.asarray(array, np.uint8)


def _counted(truth: LabelMap, labels: LabelMap, rows: int, classes: int) -> Matrix | None:
    """The matrix by OpenCV's histogram of one 8-bit index, ten times faster than bincount.

    Returns None if this is impossible: too many cells, or ids out of range (the caller raises).
    """
    cells = rows * classes
    # calcHist counts in float32, exact below 2^24.
    if not 0 < truth.size < 1 << 24 or truth.ndim != 2 or cells > IGNORE:
        return None
    if cv2.minMaxLoc(labels)[1] >= classes:
        return None
    # OpenCV's arithmetic saturates, so an ignored pixel is 255 in the index too.
    index = cv2.addWeighted(truth, classes, labels, 1, 0)
    counts = np.asarray(cv2.calcHist([index], [0], None, [256], [0, 256])).ravel()
    ignored = np.count_nonzero(truth == IGNORE)
    if counts[cells:IGNORE].any() or counts[IGNORE] != ignored:
        return None
    return counts[:cells].reshape(rows, classes).astype(np.int64)


def iou(matrix: Matrix) -> NDArray[np.float64]:
    """Intersection over union of each class (C,); NaN where a class occurs in neither map."""
    hit = np.diag(matrix)
    return _shares(hit, matrix.sum(0) + matrix.sum(1) - hit)


def dice(matrix: Matrix) -> NDArray[np.float64]:
    """Dice of each class (C,), 2 IoU / (1 + IoU); NaN where a class occurs in neither map."""
    overlap = iou(matrix)
    return 2 * overlap / (1 + overlap)


def precision(matrix: Matrix) -> NDArray[np.float64]:
    """Precision of each class (C,); NaN for a class that is never predicted."""
    return _shares(np.diag(matrix), matrix.sum(0))


def recall(matrix: Matrix) -> NDArray[np.float64]:
    """Recall of each class (C,); NaN for a class absent from the truth."""
    return _shares(np.diag(matrix), matrix.sum(1))


def miou(matrix: Matrix, first: int = 0) -> float:
    """Mean IoU of the classes from `first` on; skips classes that occur in neither map."""
    return _mean_known(iou(matrix)[first:])


def pixel_accuracy(matrix: Matrix) -> float:
    """Share of pixels with the right class ("global accuracy"); NaN without pixels."""
    return _share(int(np.trace(matrix)), int(matrix.sum()))


def class_accuracy(matrix: Matrix) -> float:
    """Unweighted mean recall of the classes; skips classes absent from the truth.

    The "class average accuracy" of SegNet (Badrinarayanan et al. 2015, arXiv:1511.00561).
    """
    return _mean_known(recall(matrix))


def _shares(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(wholes > 0, parts / np.maximum(wholes, 1), np.nan)


def _mean_known(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def measure_iou(matrix: Matrix, measure: Measure) -> float:
    """IoU of the joined `targets` rows with the joined `classes` columns; NaN where both are empty.

    A matrix of plain truth gives a class's IoU with `Measure((k,), (k,))`.
    """
    hit, predicted, true = _joined(matrix, measure)
    return _share(hit, predicted + true - hit)


def measure_dice(matrix: Matrix, measure: Measure) -> float:
    """Dice of the same pixels as `measure_iou`; NaN where both are empty."""
    hit, predicted, true = _joined(matrix, measure)
    return _share(2 * hit, predicted + true)


def measure_precision(matrix: Matrix, measure: Measure) -> float:
    """Share of the pixels predicted as `classes` whose truth is in `targets`; NaN without any."""
    hit, predicted, _ = _joined(matrix, measure)
    return _share(hit, predicted)


def measure_recall(matrix: Matrix, measure: Measure) -> float:
    """Share of the pixels of `targets` that are predicted as `classes`; NaN without any."""
    hit, _, true = _joined(matrix, measure)
    return _share(hit, true)


def _joined(matrix: Matrix, measure: Measure) -> tuple[int, int, int]:
    """Counts of pixels: hits, predicted as `classes`, and true `targets`."""
    rows, columns = list(measure.targets), list(measure.classes)
    hit = matrix[np.ix_(rows, columns)].sum()
    return int(hit), int(matrix[:, columns].sum()), int(matrix[rows].sum())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True)
class LineCounts:
    """Pixel counts for the tolerant F score of thin lines; `+` pools two pictures."""

    near_truth: int = 0
    """Predicted pixels near a true one."""
    predicted: int = 0
    near_predicted: int = 0
    """True pixels near a predicted one."""
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
        return _share(self.near_truth, self.predicted)

    @property
    def recall(self) -> float:
        """Share of true pixels near a predicted one; NaN without true pixels."""
        return _share(self.near_predicted, self.true)

    @property
    def f4(self) -> float:
        """Harmonic mean of precision and recall; 0 without a match, NaN if both maps are empty."""
        if not self.predicted and not self.true:
            return float("nan")
        # In the limit, 2PR/(P+R) is 0 when one side is empty.
        if not self.near_truth or not self.near_predicted:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    def figures(self) -> dict[Kind, float]:
        """The figures by kind."""
        return {Kind.PRECISION: self.precision, Kind.RECALL: self.recall, Kind.F4: self.f4}


def line_counts(truth: Ids, predicted: Ids) -> LineCounts:
    """Compare line masks (H, W) at 640x360 with a tolerance of 4 px (an ellipse).

    In integer masks all but 0 is line. Masks of other sizes are area-averaged to 640x360 and
    thresholded at 0.3.
    """
    truth, predicted = _at_f4_size(np.asarray(truth) != 0), _at_f4_size(np.asarray(predicted) != 0)
    return LineCounts(
        near_truth=int((predicted & _widened(truth)).sum()),
        predicted=int(predicted.sum()),
        near_predicted=int((truth & _widened(predicted)).sum()),
        true=int(truth.sum()),
    )


def _at_f4_size(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if mask.shape == F4_SIZE:
        return mask
    return covered(mask, F4_SIZE)


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = 2 * F4_RADIUS + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc)) > 0


def bootstrap(counts: Tallies, rounds: int = 1000, seed: int = 0) -> Tallies:
    """Sums (rounds, ...) of `counts` (images, ...) over resamplings of the images.

    Efron 1979: each round draws as many images as there are, with replacement. The spread of a
    figure over the rounds estimates its sampling error.
    """
    images = len(counts)
    chosen = np.random.default_rng(seed).integers(0, images, (rounds, images))
    # Draw counts times pixel counts: one product instead of a loop of sums.
    drawn = np.stack([np.bincount(row, minlength=images) for row in chosen])
    return np.asarray(np.tensordot(drawn, counts, axes=1), counts.dtype)
