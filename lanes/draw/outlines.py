"""Draws numbered outlines of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.cells.instances import Cell
from lanes.types import Image

Colour = tuple[int, int, int]
WHOLE: Colour = (40, 230, 40)
CUT: Colour = (0, 165, 255)
"""BGR colours of outlines: whole cells, and cells cut by the image's edge."""
INK, CASING = (255, 255, 255), (30, 30, 30)
AROUND = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
"""Offsets of a digit's dark casing, which keeps it legible on pale cells."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT = 21.0
"""Height of a digit in pixels at font scale 1."""
LEGIBLE, LARGEST = 8.0, 20.0
"""Smallest and largest height of a digit in pixels."""
FINE = 80.0
"""The cells' diameter in pixels per pixel of outline thickness."""


def draw_outlines(image: Image, instances: NDArray[np.uint16], cells: Sequence[Cell]) -> None:
    """Draw the outline and the number of each of `cells` on `image` (H, W, 3), in place.

    Lines and digits scale with the median diameter of the cells, to fit any magnification.
    """
    if not cells:
        return
    typical = float(np.median([cell.diameter_px for cell in cells]))
    thickness = max(1, round(typical / FINE))
    for cell in cells:
        _outline(image, instances, cell, thickness)
    height = min(max(0.2 * typical, LEGIBLE), LARGEST)
    for cell in cells:
        _number(image, cell, height)


def _outline(image: Image, instances: NDArray[np.uint16], cell: Cell, thickness: int) -> None:
    """Draw the outline on the cell's own pixels, so that touching cells have separate outlines."""
    box = np.s_[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width]
    mask = np.pad((instances[box] == cell.id).astype(np.uint8), 1)
    found, _ = cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(cell.left - 1, cell.top - 1)
    )
    colour = CUT if cell.at_edge else WHOLE
    cv2.polylines(image, found, True, colour, thickness, cv2.LINE_AA)


def _number(image: Image, cell: Cell, height: float) -> None:
    """Draw the cell's number at the centre of its box, inside the image."""
    text, scale = str(cell.id), height / FONT_HEIGHT
    stroke = max(1, round(height / 11))
    (width, _), _ = cv2.getTextSize(text, FONT, scale, stroke)
    rows, columns = image.shape[:2]
    x = cell.left + cell.width / 2 - width / 2
    y = cell.top + cell.height / 2 + height / 2
    x = min(max(x, 2), max(columns - width - 2, 2))
    y = min(max(y, height + 2), rows - 3)
    x, y = math.floor(x), math.floor(y)
    # A thicker stroke would be simpler, but is not wider in every version of OpenCV's fonts.
    for dx, dy in AROUND:
        cv2.putText(image, text, (x + dx, y + dy), FONT, scale, CASING, stroke, cv2.LINE_AA)
    cv2.putText(image, text, (x, y), FONT, scale, INK, stroke, cv2.LINE_AA)
