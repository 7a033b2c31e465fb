"""Resize a picture to the network's input, and its labels back.

Training, evaluation and every runtime call these functions, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import to_bgr, to_bgr_444
from lanes.images.tiles import middle
from lanes.types import Frame, Image, ScoreMap, Size

LINE_SHARE = 0.3
"""The part of a smaller pixel that a thin line must cover. At 0.5, lines 2 px wide break at a
quarter of the size; at 0.25, they become a third thicker at half the size."""
STEPPED = 1.02
"""Labels that are enlarged by more than this ratio get steps, which lengthen their outlines."""
MODES = ("stretch", "tile")
Ids = TypeVar("Ids", np.uint8, np.uint16)


@dataclass(frozen=True)
class Resize:
    """How a model takes its input of `size` (height, width); part of the model's card.

    `mode` "stretch": the whole picture is resized to `size`, without keeping its aspect. "tile":
    the picture is cut into tiles at its own scale (`lanes.images.tiles`), for tasks where the size
    in pixels matters.
    """

    size: Size
    interpolation: Literal["linear"] = "linear"
    mode: Literal["stretch", "tile"] = "stretch"

    @property
    def in_tiles(self) -> bool:
        """Whether the network labels tiles of a picture, so that labels can have any size."""
        return self.mode == "tile"

    def labels_size(self, size: Size) -> Size:
        """The size of the labels of a picture of `size`: the network's, or in tiles `size`."""
        return size if self.in_tiles else self.size

    def __str__(self) -> str:
        height, width = self.size
        return f"{width}x{height}{' tiles' * self.in_tiles}"


def resize_image(image: Image, resize: Resize) -> Image:
    """`image` (H, W, 3) at the network's input size; returned unchanged if it has that size.

    A model that takes tiles gets the whole picture, which its backend cuts.
    """
    return image if resize.in_tiles else resize_plane(image, resize.size)


def network_input(image: Image, resize: Resize) -> Image:
    """One input (h, w, 3) of the network itself: the resized `image`, or its middle tile."""
    return middle(image, resize.size) if resize.in_tiles else resize_image(image, resize)


def resize_frame(frame: Frame, resize: Resize) -> Image:
    """The model's input (h, w, 3) BGR of a frame: a faster `resize_image(frame.bgr, resize)`.

    If the frame is more than twice as large, the planes are halved before the colour conversion:
    equal up to rounding, and 4:2:0 has U and V halved already. Smaller frames give exactly the same
    result.
    """
    if resize.in_tiles or frame.image is not None:
        return resize_image(frame.bgr, resize)
    y, u, v = frame.planes
    if not _is_large(y, resize.size):
        return resize_image(to_bgr(frame.planes, frame.colour), resize)
    y = _halved(y)
    while _is_large(y, resize.size):
        y, u, v = _halved(y), _halved(u), _halved(v)
    # For odd sizes U and V have one extra row or column.
    here = np.s_[: y.shape[0], : y.shape[1]]
    return resize_image(to_bgr_444((y, u[here], v[here]), frame.colour), resize)


def resize_plane(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize `plane` (H, W) or (H, W, 3) to `size` (height, width) without aliasing."""
    if plane.shape[:2] == size:
        return plane
    while _is_large(plane, size):
        plane = _halved(plane)
    scaled = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)


def _is_large(plane: NDArray[np.uint8], size: Size) -> bool:
    """Whether `plane` is more than twice `size` in both dimensions."""
    height, width = plane.shape[:2]
    return bool(height > 2 * size[0] and width > 2 * size[1])


def _halved(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Halving by 2x2 means before the linear step avoids aliasing in a sixth of the time of
    # INTER_AREA with a fractional ratio.
    half = (plane.shape[1] // 2, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), np.uint8)


def resize_scores(scores: ScoreMap, size: Size) -> ScoreMap:
    """Resize `scores` (C, h, w) to `size` (height, width), linearly: a pixel's sum stays 1."""
    if scores.shape[1:] == size:
        return scores
    large = np.empty((len(scores), *size), np.float16)
    for plane, one in zip(large, scores, strict=True):
        plane[:] = cv2.resize(one.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    return large


def resize_labels(labels: NDArray[Ids], size: Size, lines: Collection[int] = ()) -> NDArray[Ids]:
    """Resize `labels` to `size` (height, width) by nearest neighbour, so no new ids appear.

    Where labels get smaller, a pixel also takes an id of `lines` that covers at least
    `LINE_SHARE` of it: nearest neighbour would break thin lines into pieces.
    """
    if labels.shape == size:
        return labels
    height, width = size
    # INTER_NEAREST_EXACT samples at pixel centres; INTER_NEAREST shifts by half a pixel.
    scaled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    found = np.asarray(scaled, labels.dtype)
    if height < labels.shape[0] or width < labels.shape[1]:
        for line in lines:
            found[covered(labels == line, size)] = line
    return found


def resize_smoothly(labels: NDArray[Ids], size: Size) -> NDArray[Ids]:
    """`resize_labels`, but where labels get larger, outlines become smooth curves, not steps.

    A median of 5 x 5 pixels after each doubling: along an outline it is the id of the majority.
    """
    if min(size[0] / labels.shape[0], size[1] / labels.shape[1]) <= STEPPED:
        return resize_labels(labels, size)
    half = -(-size[0] // 2), -(-size[1] // 2)
    if labels.shape[0] < half[0]:
        labels = resize_smoothly(labels, half)
    return np.asarray(cv2.medianBlur(resize_labels(labels, size), 5), labels.dtype)


def covered(mask: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    """The pixels of `size` (height, width) of which `mask` covers at least `LINE_SHARE`."""
    whole = np.asarray(mask, np.float32)
    share = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(share) >= LINE_SHARE
