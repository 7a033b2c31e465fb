"""The one way from a picture to the network's input, and from its labels back.

Training, evaluation and every runtime call these two functions, so none can disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import Image, Size

Ids = TypeVar("Ids", np.uint8, np.uint16)


@dataclass(frozen=True)
class Resize:
    """How a model's card wants its input: stretched to `size` (height, width), aspect not kept."""

    size: Size
    interpolation: Literal["linear"] = "linear"
    mode: Literal["stretch"] = "stretch"


def resize_image(image: Image, resize: Resize) -> Image:
    """`image` (H, W, 3) at the network's input size; returned as it is if it has that size."""
    height, width = resize.size
    if image.shape[:2] == resize.size:
        return image
    # Halving by 2x2 means before the linear step keeps large pictures free of aliasing, at a
    # sixth of the time of INTER_AREA with a broken ratio.
    while min(image.shape[0] / height, image.shape[1] / width) > 2:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)


def resize_labels(labels: NDArray[Ids], size: Size) -> NDArray[Ids]:
    """Resize `labels` to `size` (height, width); nearest, so that no id is invented."""
    if labels.shape == size:
        return labels
    height, width = size
    # INTER_NEAREST_EXACT samples at pixel centres; INTER_NEAREST shifts by half a pixel.
    scaled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(scaled, labels.dtype)
