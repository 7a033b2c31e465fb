"""A histogram as a picture, drawn with OpenCV: the base install has no plotting library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import cv2
import numpy as np

from lanes.draw.text import LINE, MARGIN, width_of, write
from lanes.types import Image

WIDTH, HEIGHT = 960, 420
"""Pixels of the bars' area."""
LEFT, BELOW = 64, 2 * LINE
MOST = 80
"""Bars; narrower bins are joined."""
COLOURS = ((60, 60, 200), (200, 130, 60), (110, 110, 110))
"""BGR of the groups, in order."""
AXIS = (90, 90, 90)
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


def histogram(groups: Mapping[str, Counter[int]], width: float, title: str, label: str) -> Image:
    """Bars (H, W, 3) of counts by bin, stacked by group; a bin k begins at k x `width`."""
    height = HEIGHT + BELOW + 2 * LINE
    picture = np.full((height, WIDTH + LEFT + 2 * MARGIN, 3), 255, np.uint8)
    write(picture, title, MARGIN, 0)
    write(picture, label, LEFT + (WIDTH - width_of(label)) // 2, height - LINE)
    bins = sorted({k for one in groups.values() for k in one})
    if not bins:
        write(picture, "no whole cells", LEFT + WIDTH // 2, HEIGHT // 2)
        return picture
    joined = -(-(bins[-1] - bins[0] + 1) // MOST)
    first = bins[0] // joined
    bars = bins[-1] // joined - first + 1
    counts = np.zeros((len(groups), bars), int)
    for row, one in zip(counts, groups.values(), strict=True):
        for k, count in one.items():
            row[k // joined - first] += count
    _draw_bars(picture, counts)
    _draw_axes(picture, counts, first * joined * width, joined * width)
    _draw_legend(picture, list(groups))
    return picture


def _draw_bars(picture: Image, counts: np.ndarray[tuple[int, int], np.dtype[np.int_]]) -> None:
    most, wide = counts.sum(axis=0).max(), WIDTH / counts.shape[1]
    base = 2 * LINE + HEIGHT
    below = np.zeros(counts.shape[1], int)
    for group, row in enumerate(counts):
        for k, count in enumerate(row):
            left, right = LEFT + round(k * wide), LEFT + max(round((k + 1) * wide) - 2, 1)
            low, high = (base - round(n / most * HEIGHT) for n in (below[k], below[k] + count))
            picture[high:low, left:right] = COLOURS[group % len(COLOURS)]
        below += row


def _draw_axes(
    picture: Image,
    counts: np.ndarray[tuple[int, int], np.dtype[np.int_]],
    start: float,
    step: float,
) -> None:
    base, bars = 2 * LINE + HEIGHT, counts.shape[1]
    cv2.line(picture, (LEFT, base), (LEFT + WIDTH, base), AXIS, 1)
    spacing = _nice(bars * step / 10)
    for k in range(int(start // spacing), int((start + bars * step) // spacing) + 1):
        x = LEFT + round((k * spacing - start) / (bars * step) * WIDTH)
        if LEFT <= x <= LEFT + WIDTH:
            text = f"{k * spacing:g}"
            cv2.line(picture, (x, base), (x, base + 4), AXIS, 1)
            write(picture, text, x - width_of(text) // 2, base)
    most = int(counts.sum(axis=0).max())
    spacing = max(_nice(most / 5), 1)
    for k in range(1, int(most // spacing) + 1):
        y, text = base - round(k * spacing / most * HEIGHT), f"{k * spacing:g}"
        cv2.line(picture, (LEFT - 4, y), (LEFT, y), AXIS, 1)
        write(picture, text, LEFT - 8 - width_of(text), y - LINE // 2)


def _draw_legend(picture: Image, names: list[str]) -> None:
    for k, name in enumerate(names):
        top, x = 2 * LINE + k * LINE, LEFT + WIDTH - 120
        picture[top + 6 : top + LINE - 6, x : x + 14] = COLOURS[k % len(COLOURS)]
        write(picture, name, x + 22, top)


def _nice(least: float) -> float:
    """The least of 1, 2, 2.5, 5 x a power of ten that is at least `least`."""
    power = 10.0 ** np.floor(np.log10(max(least, 1e-9)))
    return float(next(n * power for n in NICE if n * power >= least * 0.999))
