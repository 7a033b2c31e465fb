"""The border class of a label map, where cells touch, computed from instances."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import InstanceMap

REACH = 2
"""Pixels, for cells about 46 pixels wide."""


def between(instances: InstanceMap, reach: int = REACH) -> NDArray[np.bool_]:
    """The pixels (H, W) with two or more cells at most `reach` rows and columns away.

    `instances` (H, W) holds the cell id of each pixel, 0 = background. Includes narrow gaps between
    two cells.
    """
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    highest = np.asarray(cv2.dilate(instances, window))
    # 0 wraps to the greatest number, so the background is never the lowest neighbour.
    lowest = np.asarray(cv2.erode(instances - np.uint16(1), window)) + np.uint16(1)
    return np.asarray(highest != lowest)
