"""Moves labels from one frame to another by optical flow.

The flow is computed on luma by dense inverse search (DIS, Kroeger et al. 2016, arXiv:1603.03590).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.images.resize import resize_plane
from lanes.types import Frame, LabelMap, Size

Luma: TypeAlias = NDArray[np.uint8]
"""(H, W), 0..255."""
Flow: TypeAlias = NDArray[np.float32]
"""(H, W, 2): the offset (right, down) in pixels from each pixel to its earlier place."""

ULTRAFAST, MEDIUM = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
NEIGHBOURS = 5
"""Side in pixels of the window in which two images are compared."""
SMALLEST = 12
"""OpenCV computes no flow if both sides are smaller than this."""


class OpticalFlow:
    """Computes the flow between two images; MEDIUM is finer than ULTRAFAST, and 9 times slower."""

    def __init__(self, preset: int) -> None:
        self._search = cv2.DISOpticalFlow.create(preset)

    def __call__(self, now: Luma, before: Luma) -> Flow:
        """The flow (H, W, 2) from each pixel of `now` to its place in `before`."""
        standing = np.zeros((*now.shape, 2), np.float32)
        return np.asarray(self._search.calc(now, before, standing), np.float32)


class Carrier:
    """Moves labels (of `size`) from a key frame to the frames after it.

    The flow is computed at half of `size`, and used only where it predicts the new frame better
    than no motion does: on flat ground it is unreliable, and lines along the direction of motion
    hardly move in the image although the ground does.
    """

    def __init__(self, size: Size) -> None:
        self._size = size
        self._small = (max(size[0] // 2, SMALLEST), max(size[1] // 2, SMALLEST))
        self._flow = OpticalFlow(ULTRAFAST)
        self._key: Luma | None = None

    def set_key(self, frame: Frame) -> None:
        """Make `frame` the key frame."""
        self._key = resize_plane(frame.planes[0], self._small)

    def flow_to(self, frame: Frame) -> Flow:
        """The flow (H, W, 2) with which `moved` maps the key frame's labels to `frame`."""
        assert self._key is not None, "set_key comes first"
        now = resize_plane(frame.planes[0], self._small)
        flow = self._flow(now, self._key)
        moved_key = _sampled(self._key, flow, cv2.INTER_LINEAR)
        better = _difference(now, moved_key) < _difference(now, self._key)
        (height, width), (h, w) = self._size, self._small
        flow *= better[..., None] * np.array([width / w, height / h], np.float32)
        return np.asarray(cv2.resize(flow, (width, height)), np.float32)


def moved(labels: LabelMap, flow: Flow, outside: int | None = None) -> LabelMap:
    """Warp labels (H, W) by `flow`, with nearest-neighbour sampling, which keeps label ids valid.

    Pixels from outside the image become `outside`, or by default the nearest border pixel.
    """
    return _sampled(labels, flow, cv2.INTER_NEAREST, outside)


def _sampled(
    picture: NDArray[np.uint8], flow: Flow, interpolation: int, outside: int | None = None
) -> NDArray[np.uint8]:
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    rows, columns = _places((picture.shape[0], picture.shape[1]))
    taken = cv2.remap(
        picture,
        columns + flow[..., 0],
        rows + flow[..., 1],
        interpolation,
        borderMode=border,
        borderValue=outside or 0,
    )
    return np.asarray(taken, np.uint8)


@lru_cache(maxsize=4)
def _places(size: Size) -> NDArray[np.float32]:
    """The row and the column of each pixel (2, H, W)."""
    return np.indices(size, np.float32)


def _difference(one: Luma, other: Luma) -> NDArray[np.uint8]:
    """The mean absolute difference of two images around each pixel, 0..255."""
    return np.asarray(cv2.blur(cv2.absdiff(one, other), (NEIGHBOURS, NEIGHBOURS)), np.uint8)
