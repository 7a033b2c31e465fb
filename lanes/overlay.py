"""Draw labels over a picture, on BGR or directly on the YUV 4:2:0 planes of a frame.

Each class's mask is enlarged linearly and serves as its opacity, so that edges are smooth at full
resolution. Opacity and opacity x colour are made at the labels' size and then enlarged: enlarging
is linear, so the result is the same, in two resizings a plane whatever the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import empty_planes, yuv_of
from lanes.types import Frame, Image, LabelMap, Size, Task

ALPHA = 0.5
Plane = NDArray[np.uint8]


def overlay(frame: Frame, labels: LabelMap, task: Task, alpha: float = ALPHA) -> Frame:
    """A copy of `frame` with `labels` (any size) drawn over it in the task's colours.

    `alpha` 0..1 is the opacity; a class's own `alpha` scales it.
    """
    colours = [yuv_of(c.colour, frame.colour) for c in task.classes]
    opacity = _opacity(task, alpha)
    planes = empty_planes(frame.size)
    for channel, (drawn, plane) in enumerate(zip(planes, frame.planes, strict=True)):
        np.copyto(drawn, plane)
        _blend(drawn, labels, opacity, [colour[channel] for colour in colours])
    return replace(frame, planes=planes)


def overlay_bgr(image: Image, labels: LabelMap, task: Task, alpha: float = ALPHA) -> Image:
    """A copy of `image` (H, W, 3) with `labels` (any size) drawn over it."""
    opacity = _opacity(task, alpha)
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(3)]
    for channel, plane in enumerate(planes):
        _blend(plane, labels, opacity, [c.colour[channel] for c in task.classes])
    return np.asarray(cv2.merge(planes), np.uint8)


def _opacity(task: Task, alpha: float) -> NDArray[np.float64]:
    return np.array([min(c.alpha * alpha, 1.0) for c in task.classes])


def _blend(
    plane: Plane, labels: LabelMap, opacity: NDArray[np.float64], values: Sequence[int]
) -> None:
    """Blend `values` (one a class) into `plane`, in place, by the class's opacity (0..1)."""
    rows = _rows(labels, opacity)
    if rows is None:
        return
    first, last = (round(row * plane.shape[0] / labels.shape[0]) for row in rows)
    part, region = labels[rows[0] : rows[1]], plane[first:last]
    if not region.size:
        return
    size = (region.shape[0], region.shape[1])
    kept = _enlarged(part, 255 * (1 - opacity), size)
    added = _enlarged(part, opacity * np.asarray(values), size)
    cv2.multiply(region, kept, dst=region, scale=1 / 255)
    cv2.add(region, added, dst=region)


def _rows(labels: LabelMap, opacity: NDArray[np.float64]) -> tuple[int, int] | None:
    """First and last + 1 row of `labels` to draw, at even eighths so that chroma rows align."""
    drawn = np.flatnonzero(_lookup(labels, 255.0 * (opacity > 0)).any(1))
    if not len(drawn):
        return None
    eighth = max(labels.shape[0] // 8, 1)
    # Whole eighths, with one row to spare: enlarging needs the neighbour beyond the edge.
    first = max(int(drawn[0]) - 1, 0) // eighth * eighth
    last = -(-min(int(drawn[-1]) + 2, labels.shape[0]) // eighth) * eighth
    return first, min(last, labels.shape[0])


def _enlarged(labels: LabelMap, values: NDArray[np.float64], size: Size) -> Plane:
    mapped = _lookup(labels, values)
    return np.asarray(
        cv2.resize(mapped, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.uint8
    )


def _lookup(labels: LabelMap, values: NDArray[np.floating[Any]]) -> Plane:
    table = np.zeros(256, np.uint8)
    table[: len(values)] = np.rint(values)
    return np.asarray(cv2.LUT(labels, table), np.uint8)
