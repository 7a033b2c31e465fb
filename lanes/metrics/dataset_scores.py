"""Score labels from any source, checkpoint or engine, against a data set's truth.

The figures follow the project's data description: IoU from one confusion matrix pooled over the
split, at the truth's own size; for lines also the tolerant precision, recall and F4 at 640x360.
Truth pixels that may be any class are unknown and ignored, whatever is predicted there. A data set
whose truth covers every pixel has no such row in the scored split.

Plain truth, with exactly one class for every known pixel, also gets figures over all classes:
mIoU, pixel accuracy and class accuracy. Truth with instances gets those of
`lanes.metrics.instances`; the task defines how labels become instances.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes import plugins
from lanes.cells import instances
from lanes.images.resize import resize_labels
from lanes.metrics import confusion_matrix as metrics
from lanes.metrics.confusion_matrix import Matrix, bootstrap, confusion_matrix, line_counts
from lanes.metrics.figures import INSTANCES, Figure, Kind
from lanes.metrics.instances import instance_counts
from lanes.types import IGNORE, Dataset, Image, LabelMap, Sample, Task

Values: TypeAlias = dict[tuple[str, Kind], float]
"""Figures by measure and kind."""


class Counts(Protocol):
    """Counts other than pixels, for figures: a dataclass of numbers; `+` pools two images."""

    def __add__(self, other: Any, /) -> Any: ...
    def figures(self) -> dict[Kind, float]:
        """The figures by kind."""


@dataclass
class Scores:
    """Counts per image: a confusion matrix (K, C), and line and instance counts by name."""

    dataset: Dataset
    matrices: list[Matrix] = field(default_factory=list)
    counts: dict[str, list[Counts]] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        """The task of the data set."""
        return plugins.task(self.dataset.TASK)

    @cached_property
    def lines(self) -> set[int]:
        """The classes of thin lines."""
        return {k for m in self.dataset.MEASURES.values() if m.lines for k in m.classes}

    @property
    def matrix(self) -> Matrix:
        """The pooled confusion matrix (K, C) without unknown targets."""
        pooled: Matrix = np.zeros(self.dataset.TARGETS.shape, np.int64)
        for matrix in self.matrices:
            pooled = pooled + matrix
        return pooled

    def add(self, sample: Sample, labels: LabelMap) -> None:
        """Count one image; `labels` are resized to the truth's size."""
        size = (sample.targets.shape[0], sample.targets.shape[1])
        labels = resize_labels(labels, size, self.lines)
        rows, classes = self.dataset.TARGETS.shape
        unknown = np.flatnonzero(np.all(self.dataset.TARGETS, axis=1))
        truth = np.where(np.isin(np.arange(256), unknown), IGNORE, np.arange(256))
        truth = np.asarray(cv2.LUT(sample.targets, truth.astype(np.uint8)), np.uint8)
        self.matrices.append(confusion_matrix(truth, labels, classes, rows))
        for name, measure in self.dataset.MEASURES.items():
            if measure.lines:
                predicted = _among(labels, measure.classes) & (truth != IGNORE)
                self._count(name, line_counts(_among(truth, measure.targets), predicted))
        if sample.instances is not None:
            found = instances.segment(labels, self.task)
            self._count(INSTANCES, instance_counts(sample.instances, found))

    def _count(self, name: str, counts: Counts) -> None:
        self.counts.setdefault(name, []).append(counts)

    @property
    def plain(self) -> bool:
        """Whether each known pixel has one class, and the measures distinguish all classes.

        Masks may merge one class into another (paint into drivable): that class then has no
        measure, and predicting it is not an error.
        """
        targets, measures = self.dataset.TARGETS, self.dataset.MEASURES.values()
        sizes = set(targets.sum(axis=1).tolist())
        judged = {tuple(k in m.classes for m in measures) for k in range(targets.shape[1])}
        return sizes <= {1, targets.shape[1]} and len(judged) == targets.shape[1]

    def _judged(self, class_id: int) -> bool:
        return any(class_id in m.classes for m in self.dataset.MEASURES.values())

    def class_matrix(self, matrix: Matrix | None = None) -> Matrix:
        """The confusion matrix (C, C) of plain truth, of the split or from `matrix` (K, C)."""
        matrix = self.matrix if matrix is None else matrix
        known = self.dataset.TARGETS.sum(axis=1) == 1
        rows = self.dataset.TARGETS[known].astype(np.int64)
        return np.asarray(rows.T @ matrix[known], np.int64)

    def figures(self, dataset: str = "") -> list[Figure]:
        """Every figure, without its interval; `dataset` is the name that the figures get."""
        pooled = {name: reduce(operator.add, counts) for name, counts in self.counts.items()}
        values = self._values(self.matrix, pooled)
        return [Figure(*which, value, dataset=dataset) for which, value in values.items()]

    def figures_with_intervals(self, percent: float = 95.0, rounds: int = 1000) -> list[Figure]:
        """Every figure with its bootstrap interval, resampled by image."""
        matrices = bootstrap(np.stack(self.matrices), rounds)
        drawn_counts = {name: _bootstrap(counts, rounds) for name, counts in self.counts.items()}
        drawn = [
            self._values(
                matrices[index],
                {name: sums[index] for name, sums in drawn_counts.items()},
            )
            for index in range(rounds)
        ]
        found = []
        for figure in self.figures():
            values = [values[figure.measure, figure.kind] for values in drawn]
            low, high = _interval(values, (100 - percent) / 2)
            found.append(replace(figure, low=low, high=high))
        return found

    @property
    def judged_by(self) -> tuple[tuple[str, Kind], ...]:
        """The figures whose mean is an image's score: IoU of areas, F4 of lines."""
        measures = self.dataset.MEASURES.items()
        return tuple((name, Kind.F4 if m.lines else Kind.IOU) for name, m in measures)

    def of_images(self) -> list[float]:
        """The score of each image, 0..1, the mean of `judged_by`; NaN with nothing to score."""
        found = []
        for index, matrix in enumerate(self.matrices):
            counts = {name: self.counts[name][index] for name in self.counts}
            values = self._values(matrix, counts)
            known = [values[which] for which in self.judged_by if not np.isnan(values[which])]
            found.append(float(np.mean(known)) if known else float("nan"))
        return found

    def ranking(self) -> list[int]:
        """Indices of the images by score, worst first, without the images that have no score.

        Ties, such as 0 for every false positive in an empty image, are ordered by wrong pixels.
        """
        scores = self.of_images()
        faults = [int(matrix[~self.dataset.TARGETS].sum()) for matrix in self.matrices]
        known = [index for index, score in enumerate(scores) if not np.isnan(score)]
        return sorted(known, key=lambda index: (scores[index], -faults[index]))

    def _values(self, matrix: Matrix, counted: Mapping[str, Counts]) -> Values:
        found: Values = {}
        for name, measure in self.dataset.MEASURES.items():
            found[name, Kind.IOU] = metrics.measure_iou(matrix, measure)
            found[name, Kind.DICE] = metrics.measure_dice(matrix, measure)
            if not measure.lines:
                found[name, Kind.PRECISION] = metrics.measure_precision(matrix, measure)
                found[name, Kind.RECALL] = metrics.measure_recall(matrix, measure)
        for name, counts in counted.items():
            found |= {(name, kind): value for kind, value in counts.figures().items()}
        if self.plain:
            classes = self.class_matrix(matrix)
            found["", Kind.MIOU] = metrics.miou(classes)
            if not self._judged(0):
                found["", Kind.MIOU_WITHOUT_BACKGROUND] = metrics.miou(classes, first=1)
            found["", Kind.PIXEL_ACCURACY] = metrics.pixel_accuracy(classes)
            found["", Kind.CLASS_ACCURACY] = metrics.class_accuracy(classes)
        return found


def _bootstrap(counts: list[Counts], rounds: int) -> list[Counts]:
    """The sums of `counts` (one per image) over resamplings of the images."""
    numbers = np.array([dataclasses.astuple(c) for c in counts])  # type: ignore[call-overload]
    kind = type(counts[0])
    return [kind(*sums) for sums in bootstrap(numbers, rounds).tolist()]


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


def score(
    dataset: Dataset, label: Callable[[Image], LabelMap], indices: Iterable[int] | None = None
) -> Scores:
    """Label the images `indices` of `dataset` (default: every one) and count."""
    scores = Scores(dataset)
    for index in range(len(dataset)) if indices is None else indices:
        sample = dataset[index]
        scores.add(sample, label(sample.image))
    return scores


def share_equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Share of pixels with the same label, 0..1."""
    return float(np.mean(one == other))
