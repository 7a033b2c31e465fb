"""Text on images in OpenCV's built-in font: black on white, with line breaks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lanes.draw.readable import readable
from lanes.types import Image

FONT = cv2.FONT_HERSHEY_SIMPLEX
SCALE = 0.5
LINE = 24
"""Height of a line in pixels."""
MARGIN = 6
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def width_of(text: str) -> int:
    """The width of `text` in pixels."""
    return int(cv2.getTextSize(readable(text), FONT, SCALE, 1)[0][0])


def write(picture: Image, text: str, x: int, y: int, colour: tuple[int, int, int] = BLACK) -> None:
    """Write `text` on `picture`, in place; x is its left edge, y the top of its line."""
    cv2.putText(picture, readable(text), (x, y + LINE - 8), FONT, SCALE, colour, 1, cv2.LINE_AA)


def note(picture: Image, lines: Sequence[str]) -> None:
    """Write `lines` in the upper left corner, on a white ground, in place.

    Lines that are wider than the picture are left out: they would hide a small one.
    """
    fitting = [line for line in lines if width_of(line) + 2 * MARGIN <= picture.shape[1]]
    for number, line in enumerate(fitting):
        top, right = LINE * number, width_of(line) + 2 * MARGIN
        picture[top : top + LINE, :right] = WHITE
        write(picture, line, MARGIN, top)


def paragraph(text: str, width: int) -> Image:
    """A white strip (lines x LINE, width, 3) with `text`, wrapped at spaces."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer) > width - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    strip = np.full((LINE * len(lines), width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        write(strip, line, MARGIN, LINE * number)
    return strip
