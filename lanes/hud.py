"""The head-up display: a few lines of text on a darkened patch, drawn on the planes of a frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lanes.types import Frame

FONT = cv2.FONT_HERSHEY_SIMPLEX
DARKEN = 0.35
LINES_A_PICTURE = 26
"""A line of text is this part of the picture's height: legible at 360 rows, modest at 2160."""


def draw(frame: Frame, lines: Sequence[str]) -> None:
    """Write `lines` into the upper left corner of `frame`, in place; ASCII only."""
    height, width = frame.size
    step = max(height // LINES_A_PICTURE, 12)
    scale, thickness = step / 32, max(round(step / 18), 1)
    widest = max((cv2.getTextSize(line, FONT, scale, thickness)[0][0] for line in lines), default=0)
    # Even bounds, so that luma and chroma cover the same patch.
    bottom = min(height, int(step * (len(lines) + 0.9))) // 2 * 2
    right = min(width, int(widest + 1.6 * step)) // 2 * 2
    low, neutral = (0, 128) if frame.colour.full_range else (16, 128)
    luma, *chroma = frame.planes
    _fade(luma[:bottom, :right], low)
    for plane in chroma:
        _fade(plane[: bottom // 2, : right // 2], neutral)
    white = 255 if frame.colour.full_range else 235
    for number, line in enumerate(lines):
        origin = (int(step * 0.8), int(step * (number + 1.15)))
        cv2.putText(luma, line, origin, FONT, scale, white, thickness, cv2.LINE_AA)


def _fade(patch: np.typing.NDArray[np.uint8], towards: int) -> None:
    """Move `patch` towards a value, in place."""
    cv2.addWeighted(patch, DARKEN, np.full_like(patch, towards), 1 - DARKEN, 0, dst=patch)
