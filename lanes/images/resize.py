"""The one way from a picture to the network's input, and from its labels back.

Training, evaluation and every runtime call these functions, so none can disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import to_bgr, to_bgr_444
from lanes.images.tiles import middle
from lanes.types import Frame, Image, Size

MODES = ("stretch", "tile")
Ids = TypeVar("Ids", np.uint8, np.uint16)


@dataclass(frozen=True)
class Resize:
    """How a model's card wants its input of `size` (height, width).

    `mode` "stretch": the whole picture brought to that size, aspect not kept. "tile": pieces of the
    picture as it is (`lanes.images.tiles`), where a thing's size in pixels tells what it is.
    """

    size: Size
    interpolation: Literal["linear"] = "linear"
    mode: Literal["stretch", "tile"] = "stretch"

    @property
    def in_tiles(self) -> bool:
        """Whether the network labels pieces of a picture, so that its labels are of any size."""
        return self.mode == "tile"


def resize_image(image: Image, resize: Resize) -> Image:
    """`image` (H, W, 3) at the network's input size; returned as it is if it has that size.

    Where the network takes tiles it is one of them, the middle.
    """
    if resize.in_tiles:
        return middle(image, resize.size)
    return resize_plane(image, resize.size)


def resize_frame(frame: Frame, resize: Resize) -> Image:
    """The network's input (h, w, 3) BGR of a frame: `resize_image(frame.bgr, resize)`, but faster.

    Of a picture more than twice as large the planes are halved first and converted then: the same
    but for rounding, and 4:2:0 has U and V halved already. Smaller ones come out exactly the same.
    Where the network takes tiles it is the whole picture, which the segmenter cuts.
    """
    if resize.in_tiles:
        return frame.bgr
    if frame.image is not None:
        return resize_image(frame.image, resize)
    y, u, v = frame.planes
    if not _is_large(y, resize.size):
        return resize_image(to_bgr(frame.planes, frame.colour), resize)
    y = _halved(y)
    while _is_large(y, resize.size):
        y, u, v = _halved(y), _halved(u), _halved(v)
    # Of odd sizes U and V have one row or column more.
    here = np.s_[: y.shape[0], : y.shape[1]]
    return resize_image(to_bgr_444((y, u[here], v[here]), frame.colour), resize)


def resize_plane(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """`plane` (H, W) or (H, W, 3) in `size` (height, width), without aliasing."""
    if plane.shape[:2] == size:
        return plane
    while _is_large(plane, size):
        plane = _halved(plane)
    scaled = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)


def _is_large(plane: NDArray[np.uint8], size: Size) -> bool:
    """Whether `plane` is more than twice `size` both ways."""
    height, width = plane.shape[:2]
    return bool(height > 2 * size[0] and width > 2 * size[1])


def _halved(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Halving by 2x2 means before the linear step keeps large pictures free of aliasing, at a
    # sixth of the time of INTER_AREA with a broken ratio.
    half = (plane.shape[1] // 2, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), np.uint8)


def resize_labels(labels: NDArray[Ids], size: Size) -> NDArray[Ids]:
    """Resize `labels` to `size` (height, width); nearest, so that no id is invented."""
    if labels.shape == size:
        return labels
    height, width = size
    # INTER_NEAREST_EXACT samples at pixel centres; INTER_NEAREST shifts by half a pixel.
    scaled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(scaled, labels.dtype)
