"""The car's position in its lane, as a bar at the top of a frame, and the departure warning."""

from __future__ import annotations

import cv2

from lanes.colour import yuv_of
from lanes.draw import hud
from lanes.draw.lane import AREA, CROSSED
from lanes.types import Frame

Bgr = tuple[int, int, int]
LINE: Bgr = (235, 235, 235)
BAR = 9
"""Width of the bar's lane, in heights of a line of text."""


def draw_offset(
    frame: Frame, offset: float | None, text: str, leaving: bool = False, top: int = 0
) -> int:
    """Draw the car's `offset` in its lane, in lane widths (> 0: right), and `text` below it.

    Without an offset there is the text only. The marker is red if the car is `leaving` its lane.
    The patch begins at the row `top`. Returns the row below it.
    """
    step = hud.step_of(frame.size)
    words = [text] if offset is None else ["", text]
    rows, columns = hud.draw(frame, words, True, top, least=int((BAR + 0.5) * step))
    if (
        offset is None
        or rows.stop - rows.start < 2 * step
        or columns.stop - columns.start < BAR * step
    ):
        return int(rows.stop)
    middle, above = frame.size[1] / 2, rows.start + 0.45 * step
    height, lane = 0.75 * step, BAR * step
    for side in (-0.5, 0.5):
        _box(frame, middle + side * lane, above, 0.14 * step, height, LINE)
    _box(frame, middle, above + 0.3 * height, 0.07 * step, 0.4 * height, LINE)
    marker = CROSSED if leaving else AREA
    inside = min(max(offset, -0.6), 0.6)
    _box(frame, middle + inside * lane, above + 0.15 * height, 0.9 * step, 0.7 * height, marker)
    return int(rows.stop)


def draw_warning(frame: Frame, text: str, top: int) -> None:
    """Write a warning on red, at the middle, from the row `top` on."""
    hud.draw(frame, [text], True, top + 4, CROSSED)


def _box(frame: Frame, x: float, top: float, width: float, height: float, bgr: Bgr) -> None:
    """Fill a box around the column `x`."""
    for number, (plane, value) in enumerate(
        zip(frame.planes, yuv_of(bgr, frame.colour), strict=True)
    ):
        share = 1.0 if number == 0 else 0.5
        left, right = round((x - width / 2) * share), round((x + width / 2) * share)
        rows = round(top * share), round((top + height) * share)
        cv2.rectangle(plane, (left, rows[0]), (max(right, left + 1) - 1, rows[1] - 1), value, -1)
