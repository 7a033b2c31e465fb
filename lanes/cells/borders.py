"""Where cells touch: the border class of a label map, made of instances."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import InstanceMap

REACH = 2
"""Pixels, where cells are about 46 pixels wide."""


def between(instances: InstanceMap, reach: int = REACH) -> NDArray[np.bool_]:
    """The pixels (H, W) with two cells, or more, at most `reach` rows and columns away.

    `instances` (H, W) holds the number of the cell of each pixel, 0 for none; a narrow gap between
    two cells is between them, too.
    """
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    highest = np.asarray(cv2.dilate(instances, window))
    # 0 wraps to the greatest number, so that the background is nobody's lowest neighbour.
    lowest = np.asarray(cv2.erode(instances - np.uint16(1), window)) + np.uint16(1)
    return np.asarray(highest != lowest)
