"""IoU of a clip during playback: per frame, over the last few frames, and over all frames."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from lanes.metrics import confusion_matrix
from lanes.types import Frame, LabelMap, Task
from lanes.video.label_files import Truth, sayable

IOU_FRAMES = 30
"""Number of frames that the recent figures are pooled over."""


class Pool:
    """Confusion matrices (K, K) pooled: the last `IOU_FRAMES` of them, and all."""

    def __init__(self, task: Task) -> None:
        classes = len(task.classes)
        self._names = task.class_names
        self._total: confusion_matrix.Matrix = np.zeros((classes, classes), np.int64)
        self._recent: deque[confusion_matrix.Matrix] = deque(maxlen=IOU_FRAMES)

    def add(self, matrix: confusion_matrix.Matrix) -> dict[str, float]:
        """Add a matrix to the pool; returns its own IoU by class."""
        self._total = self._total + matrix
        self._recent.append(matrix)
        return self._by_name(matrix)

    @property
    def recent(self) -> dict[str, float]:
        """IoU by class, 0..1, of the last matrices; omits absent classes."""
        return self._by_name(np.sum(self._recent, axis=0)) if self._recent else {}

    @property
    def total(self) -> dict[str, float]:
        """IoU by class, 0..1, of all matrices; omits absent classes."""
        return self._by_name(self._total)

    def _by_name(self, matrix: confusion_matrix.Matrix) -> dict[str, float]:
        found = zip(self._names, confusion_matrix.iou(matrix).tolist(), strict=True)
        return {name: value for name, value in found if not math.isnan(value)}


class ClipScores(Pool):
    """Scores labels against the truth of their clip, at the frame's own size."""

    def __init__(self, truth: Truth, task: Task) -> None:
        super().__init__(task)
        self.truth, self.task = truth, task

    def score(self, frame: Frame, labels: LabelMap, number: int) -> dict[str, float]:
        """IoU by class of a frame's `labels`; the frame has this `number` in the whole input.

        Raises:
            BadInput: the frame's truth is missing or damaged.
        """
        truth = sayable(self.truth.labels_of(frame, number), self.task)
        return self.add(confusion_matrix.confusion_matrix(truth, labels, len(self.task.classes)))
