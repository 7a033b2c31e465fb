"""How steadily a model labels a video, where there is no truth: temporal consistency.

As Varghese et al., "Unsupervised Temporal Consistency Metric for Video Segmentation in
Highly-Automated Driving" (CVPR workshops 2020): the labels of each frame are compared with those of
the frame before, moved along by optical flow (DIS, Kroeger et al. 2016, arXiv:1603.03590). It says
nothing of being right: a model that always says "background" is perfectly steady. Stray pieces and
holes of the road (`lanes.images.regions`) are counted beside it.
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
    """How steady and how whole the labels of a clip are.

    `consistency` is the IoU, 0..1, of each class between the labels of successive frames, pooled;
    NaN if unseen. `strays` are the stray pieces and holes a frame, if the task has a surface.
    """

    consistency: dict[str, float]
    strays: Strays | None


def stability(
    frames: Iterable[Frame], segmenter: Segmenter, steps: Iterable[Step] = ()
) -> Stability:
    """Label `frames` and measure how steady and how whole the labels are, after `steps`.

    The labels of the earlier frame are moved to the later one by the optical flow between the two,
    at the network's size. Pixels that come from outside the picture are left out.
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
    """Compares the labels of each frame with the frame's before, at the labels' size.

    With `every` N only each Nth frame is compared (with the one just before it). `preset` is that
    of `lanes.pipeline.flow.OpticalFlow`.
    """

    def __init__(self, task: Task, preset: int = MEDIUM, every: int = 1) -> None:
        super().__init__(task)
        self.task = task
        self._classes, self._every, self._number = len(task.classes), every, 0
        self._flow_of = OpticalFlow(preset)
        self._before: tuple[Luma, LabelMap] | None = None

    def compare(self, result: Result) -> None:
        """Take the next result of the clip."""
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
    """The brightness of a frame (H, W) at the labels' size."""
    size = (labels.shape[1], labels.shape[0])
    return np.asarray(cv2.resize(frame.planes[0], size, interpolation=cv2.INTER_AREA), np.uint8)
