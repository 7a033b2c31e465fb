"""Score any labelling of images against a data set's truth: checkpoints and engines alike.

Figures are those of the project's data description: IoU from one confusion matrix pooled over the
split, at the truth's own size; for lines also the tolerant precision, recall and F4 at 640x360.
Truth pixels that may be any class are unknown: they count for nothing, and what is predicted there
is no fault. A data set whose truth judges every pixel has no such row in the split that is scored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.metrics import (
    LineCounts,
    Matrix,
    bootstrap,
    confusion_matrix,
    line_counts,
    measure_iou,
    measure_precision,
    measure_recall,
)
from lanes.resize import resize_labels
from lanes.types import IGNORE, Dataset, Image, LabelMap, Measure, Sample

TEACHER = "teacher"
"""The name of the figures against a data set's teacher: agreement, no ground truth."""
TEACHER_SURE = 128


@dataclass
class Scores:
    """Counts of each image: a confusion matrix (K, C), and line counts by measure."""

    dataset: Dataset
    matrices: list[Matrix] = field(default_factory=list)
    lines: dict[str, list[LineCounts]] = field(default_factory=dict)

    @property
    def matrix(self) -> Matrix:
        """The pooled confusion matrix (K, C), unknown targets left out."""
        pooled: Matrix = np.zeros(self.dataset.TARGETS.shape, np.int64)
        for matrix in self.matrices:
            pooled = pooled + matrix
        return pooled

    def add(self, sample: Sample, labels: LabelMap) -> None:
        """Count one image; `labels` of any size are enlarged to the truth's."""
        labels = resize_labels(labels, (sample.targets.shape[0], sample.targets.shape[1]))
        rows, classes = self.dataset.TARGETS.shape
        unknown = np.flatnonzero(np.all(self.dataset.TARGETS, axis=1))
        truth = np.where(np.isin(np.arange(256), unknown), IGNORE, np.arange(256))
        truth = np.asarray(cv2.LUT(sample.targets, truth.astype(np.uint8)), np.uint8)
        self.matrices.append(confusion_matrix(truth, labels, classes, rows))
        for name, measure in self.dataset.MEASURES.items():
            if measure.lines:
                predicted = _among(labels, measure.classes) & (truth != IGNORE)
                counts = line_counts(_among(truth, measure.targets), predicted)
                self.lines.setdefault(name, []).append(counts)
        if self.dataset.SOFT_CLASS is not None and sample.soft is not None:
            teacher = sample.soft >= TEACHER_SURE
            counts = line_counts(teacher, labels == self.dataset.SOFT_CLASS)
            self.lines.setdefault(TEACHER, []).append(counts)

    def figures(self) -> dict[str, float]:
        """Every figure by name, each 0..1 or NaN: `drivable iou`, `lane line f4`, ..."""
        lines = {name: sum(counts, LineCounts()) for name, counts in self.lines.items()}
        return _figures(self.dataset.MEASURES, self.matrix, lines)

    def intervals(
        self, percent: float = 95.0, rounds: int = 1000
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap interval of every figure, by image; NaN where a figure is NaN."""
        matrices = bootstrap(np.stack(self.matrices), rounds)
        lines = {
            name: bootstrap(np.array([dataclasses.astuple(c) for c in counts], np.int64), rounds)
            for name, counts in self.lines.items()
        }
        drawn = [
            _figures(
                self.dataset.MEASURES,
                matrices[index],
                {name: LineCounts(*map(int, sums[index])) for name, sums in lines.items()},
            )
            for index in range(rounds)
        ]
        tail = (100 - percent) / 2
        return {
            name: _interval([figures[name] for figures in drawn], tail) for name in self.figures()
        }


def _figures(
    measures: Mapping[str, Measure], matrix: Matrix, lines: Mapping[str, LineCounts]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, measure in measures.items():
        found[f"{name} iou"] = measure_iou(matrix, measure)
        if not measure.lines:
            found[f"{name} precision"] = measure_precision(matrix, measure)
            found[f"{name} recall"] = measure_recall(matrix, measure)
    for name, counts in lines.items():
        found[f"{name} precision"] = counts.precision
        found[f"{name} recall"] = counts.recall
        found[f"{name} f4"] = counts.f4
    return found


def _interval(values: list[float], tail: float) -> tuple[float, float]:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def _among(labels: LabelMap, ids: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.uint8)
    table[list(ids)] = 1
    return np.asarray(cv2.LUT(labels, table)) > 0


def score(dataset: Dataset, label: Callable[[Image], LabelMap]) -> Scores:
    """Label every image of `dataset` and count."""
    scores = Scores(dataset)
    for index in range(len(dataset)):
        sample = dataset[index]
        scores.add(sample, label(sample.image))
    return scores


def choice(figures: Mapping[str, float]) -> float:
    """The one number that picks the best checkpoint: the mean of all IoU and F4 figures, 0..1.

    Every data set's figures weigh alike, the teacher's F4 too: without it a data set that says
    nothing of lines would choose by its drivable area alone. A figure is NaN only where neither
    truth nor prediction has a pixel; then there is nothing to judge, and it is left out. Without
    any figure the choice is -inf, which no checkpoint's figure falls below.
    """
    judged = [v for k, v in figures.items() if k.endswith((" iou", " f4")) and np.isfinite(v)]
    return float(np.mean(judged)) if judged else float("-inf")


def share_equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Share of pixels with the same label, 0..1."""
    return float(np.mean(one == other))
