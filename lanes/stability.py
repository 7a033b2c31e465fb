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

from lanes.flow import MEDIUM, Luma, OpticalFlow, moved
from lanes.metrics import Matrix, confusion_matrix, iou
from lanes.pipeline import prefetch, segment
from lanes.segmenter import Segmenter
from lanes.types import IGNORE, Frame, LabelMap


def stability(frames: Iterable[Frame], segmenter: Segmenter) -> dict[str, float]:
    """IoU, 0..1, of each class between the labels of successive frames, pooled; NaN if unseen.

    The labels of the earlier frame are moved to the later one by the optical flow between the two,
    at the network's size. Pixels that come from outside the picture are left out.
    """
    classes = segmenter.task.class_names
    matrix: Matrix = np.zeros((len(classes), len(classes)), np.int64)
    flow_of = OpticalFlow(MEDIUM)
    before: tuple[Luma, LabelMap] | None = None
    for result in segment(prefetch(frames), segmenter):
        labels = result.labels
        luma = _luma(result.frame, labels)
        if before is not None:
            expected = moved(before[1], flow_of(luma, before[0]), outside=IGNORE)
            matrix = matrix + confusion_matrix(expected, labels, len(classes))
        before = luma, labels
    return dict(zip(classes, (float(value) for value in iou(matrix)), strict=True))


def _luma(frame: Frame, labels: LabelMap) -> Luma:
    """The brightness of a frame (H, W) at the labels' size."""
    size = (labels.shape[1], labels.shape[0])
    return np.asarray(cv2.resize(frame.planes[0], size, interpolation=cv2.INTER_AREA), np.uint8)
