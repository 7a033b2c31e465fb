"""From every cell's own pixels to the labels of the task `cell_count`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import LabelMap

BACKGROUND, CELL, BORDER = range(3)
"""Ids of the task `cell_count`."""
REACH = 2
"""Pixels, at half the size of BBBC041's images: cells of about 46 pixels."""


def targets_of(instances: NDArray[np.uint16], reach: int = REACH) -> LabelMap:
    """Target ids (H, W) of an instance map (H, W).

    A pixel of a cell is border where another cell is at most `reach` pixels away.
    """
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    highest = np.asarray(cv2.dilate(instances, window))
    # Wrapping turns 0 into the greatest number: so the background is nobody's lowest neighbour.
    lowest = np.asarray(cv2.erode(instances - np.uint16(1), window)) + np.uint16(1)
    border = (highest != instances) | (lowest != instances)
    targets = np.where(border, BORDER, CELL)
    return np.where(instances > 0, targets, BACKGROUND).astype(np.uint8)
