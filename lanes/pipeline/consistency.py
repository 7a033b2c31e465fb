"""Temporal consistency of labels: how steadily a model labels a video, without ground truth.

Follows Varghese et al., "Unsupervised Temporal Consistency Metric for Video Segmentation in
Highly-Automated Driving" (CVPR workshops 2020): the labels of each frame are compared with those of
the previous frame, warped by optical flow (DIS, Kroeger et al. 2016, arXiv:1603.03590). It does not
measure accuracy: a model that always predicts "background" is perfectly consistent. Stray pieces
and holes of the road (`lanes.images.regions`) are counted as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from lanes.images.regions import Strays, strays
from lanes.metrics.clip_scores import Pool
from lanes.metrics.confusion_matrix import confusion_matrix
from lanes.pipeline.flow import MEDIUM, Luma, OpticalFlow, moved
from lanes.pipeline.labelled import Step, labelled
from lanes.pipeline.stages import prefetch, segment
from lanes.segmenter import Segmenter
from lanes.types import IGNORE, Frame, LabelMap, Result, Task


@dataclass(frozen=True)
class Stability:
    """The temporal consistency of a clip's labels, and how often its road is in pieces.

    `consistency` is the IoU, 0..1, of each class between the labels of successive frames, pooled;
    NaN if absent. `strays` is the mean per frame, if the task has a surface.
    """

    consistency: dict[str, float]
    strays: Strays | None


def stability(
    frames: Iterable[Frame], segmenter: Segmenter, steps: Iterable[Step] = ()
) -> Stability:
    """Label `frames` and measure the consistency of the labels, after `steps`.

    The labels of the earlier frame are warped to the later one by optical flow, at the network's
    size. Pixels that come from outside the image are ignored.
    """
    task = segmenter.task
    consistency = Consistency(task)
    counts = []
    for item in labelled(segment(prefetch(frames), segmenter), task, steps=steps):
        consistency.compare(item.result)
        if task.surface:
            counts.append(strays(item.network_labels, task.surface))
    found = consistency.total
    by_class = {name: found.get(name, float("nan")) for name in task.class_names}
    return Stability(by_class, Strays(*np.mean(counts, axis=0)) if counts else None)


class Consistency(Pool):
    """Compares the labels of each frame with those of the previous frame, at the labels' size.

    With `every` N, only every Nth frame is compared (with the one just before it). `preset` is
    passed to `lanes.pipeline.flow.OpticalFlow`.
    """

    def __init__(self, task: Task, preset: int = MEDIUM, every: int = 1) -> None:
        super().__init__(task)
        self.task = task
        self._classes, self._every, self._number = len(task.classes), every, 0
        self._flow_of = OpticalFlow(preset)
        self._before: tuple[Luma, LabelMap] | None = None

    def compare(self, result: Result) -> None:
        """Add the next result of the clip."""
        self._number += 1
        due = self._number % self._every == 0
        if due or (self._number + 1) % self._every == 0:
            luma = _luma(result.frame, result.labels)
            if due and self._before is not None and self._before[0].shape == luma.shape:
                flow = self._flow_of(luma, self._before[0])
                expected = moved(self._before[1], flow, outside=IGNORE)
                self.add(confusion_matrix(expected, result.labels, self._classes))
            self._before = luma, result.labels


def _luma(frame: Frame, labels: LabelMap) -> Luma:
    """The luma (H, W) of a frame at the labels' size."""
    size = (labels.shape[1], labels.shape[0])
    return np.asarray(cv2.resize(frame.planes[0], size, interpolation=cv2.INTER_AREA), np.uint8)
