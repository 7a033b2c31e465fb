"""Score any labelling of images against a data set's truth: checkpoints and engines alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lanes.metrics import IGNORE, LineCounts, Matrix, confusion_matrix, line_counts, measure_iou
from lanes.resize import resize_labels
from lanes.types import Dataset, Image, LabelMap, Sample

TEACHER_SURE = 128


@dataclass
class Scores:
    """Counts pooled over a split: one confusion matrix (K, C) and the line counts by measure."""

    dataset: Dataset
    matrices: list[Matrix] = field(default_factory=list)
    lines: dict[str, list[LineCounts]] = field(default_factory=dict)

    @property
    def matrix(self) -> Matrix:
        """The pooled confusion matrix (K, C), unknown targets left out."""
        return np.sum(self.matrices, axis=0)

    def add(self, sample: Sample, labels: LabelMap) -> None:
        """Count one image; `labels` of any size are enlarged to the truth's."""
        labels = resize_labels(labels, (sample.targets.shape[0], sample.targets.shape[1]))
        rows, classes = self.dataset.TARGETS.shape
        unknown = self.dataset.TARGETS.all(1)[sample.targets]
        truth = np.where(unknown, np.uint8(IGNORE), sample.targets)
        self.matrices.append(confusion_matrix(truth, labels, classes, rows))
        for name, measure in self.dataset.MEASURES.items():
            if measure.lines:
                true = np.isin(sample.targets, measure.targets)
                predicted = np.isin(labels, measure.classes) & ~unknown
                self.lines.setdefault(name, []).append(line_counts(true, predicted))
        if self.dataset.SOFT_CLASS is not None and sample.soft is not None:
            teacher = sample.soft >= TEACHER_SURE
            counts = line_counts(teacher, labels == self.dataset.SOFT_CLASS)
            self.lines.setdefault("teacher", []).append(counts)

    def figures(self) -> dict[str, float]:
        """Every figure by name, each 0..1: `drivable iou`, `lane line f4`, ..."""
        matrix = self.matrix
        found = {f"{n} iou": measure_iou(matrix, m) for n, m in self.dataset.MEASURES.items()}
        for name, counts in self.lines.items():
            pooled = sum(counts, LineCounts())
            found |= {
                f"{name} precision": pooled.precision,
                f"{name} recall": pooled.recall,
                f"{name} f4": pooled.f4,
            }
        return found


def score(dataset: Dataset, label: Callable[[Image], LabelMap]) -> Scores:
    """Label every image of `dataset` and count."""
    scores = Scores(dataset)
    for index in range(len(dataset)):
        sample = dataset[index]
        scores.add(sample, label(sample.image))
    return scores


def choice(figures: dict[str, float]) -> float:
    """The one number that picks the best checkpoint: the mean of all IoU and F4 figures."""
    counted = [v for k, v in figures.items() if k.endswith((" iou", " f4")) and not np.isnan(v)]
    return float(np.mean(counted)) if counted else float("nan")


def share_equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Share of pixels with the same label, 0..1."""
    return float(np.mean(one == other))
