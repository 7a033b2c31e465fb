"""How steadily a model labels a video, where there is no truth: temporal consistency.

As Varghese et al., "Unsupervised Temporal Consistency Metric for Video Segmentation in
Highly-Automated Driving" (CVPR workshops 2020): the labels of each frame are compared with those of
the frame before, moved along by optical flow (DIS, Kroeger et al. 2016, arXiv:1603.03590). It says
nothing of being right: a model that always says "background" is perfectly steady.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.metrics import Matrix, confusion_matrix, iou
from lanes.pipeline import prefetch, segment
from lanes.segmenter import Segmenter
from lanes.types import IGNORE, Frame, Image, LabelMap


def stability(frames: Iterable[Frame], segmenter: Segmenter) -> dict[str, float]:
    """IoU, 0..1, of each class between the labels of successive frames, pooled; NaN if unseen.

    The labels of the earlier frame are moved to the later one by the optical flow between the two,
    at the network's size. Pixels that come from outside the picture are left out.
    """
    classes = segmenter.task.class_names
    matrix: Matrix = np.zeros((len(classes), len(classes)), np.int64)
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before: tuple[NDArray[np.uint8], LabelMap] | None = None
    for result in segment(prefetch(frames), segmenter):
        labels = result.labels
        grey = _grey(result.frame.bgr, labels)
        if before is not None:
            empty = np.zeros((*labels.shape, 2), np.float32)
            flow = np.asarray(flow_of.calc(grey, before[0], empty), np.float32)
            matrix = matrix + confusion_matrix(moved(before[1], flow), labels, len(classes))
        before = grey, labels
    return dict(zip(classes, (float(value) for value in iou(matrix)), strict=True))


def moved(labels: LabelMap, flow: NDArray[np.float32]) -> LabelMap:
    """Labels (H, W) where `flow` (H, W, 2) takes them from, x and y in pixels; 255 from outside."""
    height, width = labels.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    taken = cv2.remap(
        labels,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORE,
    )
    return np.asarray(taken, np.uint8)


def _grey(image: Image, labels: LabelMap) -> NDArray[np.uint8]:
    """The picture as grey (H, W) of the labels' size."""
    size = (labels.shape[1], labels.shape[0])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
