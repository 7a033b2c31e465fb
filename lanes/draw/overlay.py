"""Draws labels over an image, in BGR or directly on the YUV 4:2:0 planes of a frame.

The mask of each class is enlarged by linear interpolation and used as its opacity, so that edges
are smooth at full resolution. Opacity and opacity x colour are computed at the labels' size and
then enlarged; as enlarging is linear, the cost does not depend on the number of classes. Only the
part of the image that has labels is processed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import yuv_of
from lanes.types import Frame, Image, LabelMap, Task

ALPHA = 0.5
Plane = NDArray[np.uint8]


def only(task: Task, names: Collection[str] | None) -> Task:
    """The task with only the classes `names` visible; None: the task unchanged."""
    if names is None:
        return task
    classes = tuple(c if c.name in names else replace(c, alpha=0.0) for c in task.classes)
    return replace(task, classes=classes)


def overlay(frame: Frame, labels: LabelMap, task: Task, alpha: float = ALPHA) -> Frame:
    """A copy of `frame` with `labels` (any size) drawn over it in the task's colours.

    `alpha` 0..1 is the opacity; a class's own `alpha` scales it.
    """
    y, u, v = (plane.copy() for plane in frame.planes)
    copy = replace(frame, planes=(y, u, v))
    draw_labels(copy, labels, task, alpha)
    return copy


def draw_labels(frame: Frame, labels: LabelMap, task: Task, alpha: float = ALPHA) -> None:
    """Draw `labels` over `frame` as `overlay` does, but in place, on its planes."""
    drawn = _Drawn.of(labels, task, alpha)
    if drawn is None:
        return
    colours = np.array([yuv_of(c.colour, frame.colour) for c in task.classes])
    luma, *chroma = frame.planes
    drawn.blend([luma], colours[:, :1])
    drawn.blend(chroma, colours[:, 1:])
    frame.drawn_on()


def overlay_bgr(image: Image, labels: LabelMap, task: Task, alpha: float = ALPHA) -> Image:
    """A copy of `image` (H, W, 3) with `labels` (any size) drawn over it."""
    drawn = _Drawn.of(labels, task, alpha)
    if drawn is None:
        return image.copy()
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(3)]
    drawn.blend(planes, np.array([c.colour for c in task.classes]))
    return np.asarray(cv2.merge(planes), np.uint8)


@dataclass(frozen=True)
class _Drawn:
    """`labels` to draw, with the `opacity` (0..1) of each class.

    All visible labels are between the `first` (row, column) and the `last`, which is exclusive.
    """

    labels: LabelMap
    opacity: NDArray[np.float64]
    first: tuple[int, int]
    last: tuple[int, int]

    @classmethod
    def of(cls, labels: LabelMap, task: Task, alpha: float) -> _Drawn | None:
        """The visible part of `labels`; None if there is none."""
        opacity = np.array([min(c.alpha * alpha, 1.0) for c in task.classes])
        visible = _lookup(labels, np.where(opacity > 0, 255.0, 0.0))
        left, top, width, height = cv2.boundingRect(visible)
        if not width:
            return None
        return cls(labels, opacity, (top, left), (top + height, left + width))

    def blend(self, planes: Sequence[Plane], values: NDArray[np.int_]) -> None:
        """Blend `values` (classes, planes) into `planes` of one size, in place."""
        olds, news = self.labels.shape, planes[0].shape
        parts, regions = zip(*map(_bounds, self.first, self.last, olds, news), strict=True)
        part = self.labels[parts]
        height, width = planes[0][regions].shape

        def enlarged(by_class: NDArray[np.float64], other: int = 0) -> Plane:
            small = _lookup(part, by_class, other)
            large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
            return np.asarray(large, np.uint8)

        kept = enlarged(255 * (1 - self.opacity), other=255)
        for plane, value in zip(planes, values.T, strict=True):
            region = plane[regions]
            cv2.multiply(region, kept, dst=region, scale=1 / 255)
            cv2.add(region, enlarged(self.opacity * value), dst=region)


def _bounds(first: int, last: int, old: int, new: int) -> tuple[slice, slice]:
    """Along one axis: the slice of `old` labels around `first`..`last`, and its `new` pixels.

    Both slices start and end where the edges of a label and of a pixel coincide; otherwise the part
    would be enlarged differently from the whole. They have a margin of one label, as linear
    interpolation needs the neighbour beyond the edge.
    """
    step = old // math.gcd(old, new)
    start = max(first - 1, 0) // step * step
    stop = min(-(-(last + 1) // step) * step, old)
    return slice(start, stop), slice(start * new // old, stop * new // old)


def _lookup(labels: LabelMap, by_class: NDArray[np.float64], other: int = 0) -> Plane:
    """The value of each pixel's class, 0..255; `other` for ids without a class."""
    table = np.full(256, other, np.uint8)
    table[: len(by_class)] = np.rint(by_class)
    return np.asarray(cv2.LUT(labels, table), np.uint8)
