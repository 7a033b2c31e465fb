"""The head-up display (HUD): lines of text on a darkened patch of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import yuv_of
from lanes.draw.readable import readable
from lanes.types import Frame, Size, Task

FONT = cv2.FONT_HERSHEY_SIMPLEX
DARKEN = 0.35
LINES_A_PICTURE = 26
"""A line of text is 1/26 of the image's height: legible at 360 rows, unobtrusive at 2160."""
NEUTRAL = 128
"""The value of U and V for grey."""


def figures_as_lines(
    task: Task,
    fps: float,
    infer: float | None,
    *,
    every: int = 1,
    latency: float | None = None,
    dropped: int = 0,
    iou: Mapping[str, float] | None = None,
    consistency: Mapping[str, float] | None = None,
    measures: Mapping[str, float] | None = None,
) -> list[str]:
    """The lines of the HUD; values that are None are omitted.

    `infer` and `latency` (from a frame's capture to its labels) are in seconds. The network labels
    one frame in `every`. `iou` and `consistency` are by class; classes that are not drawn are
    omitted. `measures` are the task's.
    """
    line = f"{fps:.1f} FPS"
    if infer is not None:
        line += f"   inference {infer * 1e3:.1f} ms"
    if every > 1:
        line += f", 1 frame in {every}"
    lines = [line]
    if latency is not None:
        lines.append(f"latency {latency * 1e3:.0f} ms   dropped {dropped}")
    elif dropped:
        lines.append(f"dropped {dropped}")
    drawn = {c.name for c in task.classes if c.alpha > 0}
    for title, by_class in (("IoU", iou or {}), ("consistency", consistency or {})):
        shown = [f"{name} {value:.2f}" for name, value in by_class.items() if name in drawn]
        if shown:
            lines.append(f"{title}  " + "   ".join(shown))
    if measures:
        lines.append("   ".join(f"{name} {value:.3g}" for name, value in measures.items()))
    return lines


def draw(
    frame: Frame,
    lines: Sequence[str],
    centred: bool = False,
    top: int = 0,
    tint: tuple[int, int, int] | None = None,
    least: int = 0,
) -> tuple[slice, slice]:
    """Write `lines` on `frame`, in place, from the row `top` on; ASCII only.

    They are on the left, or `centred`. `tint` (BGR) colours the patch, which is at least `least`
    pixels wide. Returns its rows and columns, which are even.
    """
    if min(frame.size) < 2:
        return slice(0, 0), slice(0, 0)
    top = min(top, frame.size[0] - 2) // 2 * 2
    size = frame.size[0] - top, frame.size[1]
    text = _Text(tuple(lines), size, step_of(frame.size), centred, least)
    kept, added = _rendered(text, frame.colour.full_range)
    left = (frame.size[1] - kept.shape[1]) // 4 * 2 if centred else 0
    patch = np.s_[top : top + kept.shape[0], left : left + kept.shape[1]]
    half = np.s_[top // 2 : patch[0].stop // 2, left // 2 : patch[1].stop // 2]
    luma, *chroma = (p[s] for p, s in zip(frame.planes, (patch, half, half), strict=True))
    cv2.multiply(luma, kept, dst=luma, scale=1 / 255)
    cv2.add(luma, added, dst=luma)
    neutral = yuv_of(tint, frame.colour)[1:] if tint else (NEUTRAL, NEUTRAL)
    for plane, value in zip(chroma, neutral, strict=True):
        cv2.convertScaleAbs(plane, dst=plane, alpha=DARKEN, beta=value * (1 - DARKEN))
    frame.drawn_on()
    return patch


def step_of(size: Size) -> int:
    """The height of a line of text in pixels."""
    return max(size[0] // LINES_A_PICTURE, 12)


@dataclass(frozen=True)
class _Text:
    """Lines on a patch of a frame that has `size` free; `step` is a line's height in pixels."""

    lines: tuple[str, ...]
    size: Size
    step: int
    centred: bool
    least: int


@lru_cache(maxsize=8)
def _rendered(of: _Text, full_range: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Factor (0..255) and summand for the luma of the patch; cached, as text changes rarely.

    Both are (h, w) with even h and w, so that luma and chroma cover the same patch.
    """
    (height, width), step = of.size, of.step
    scale, thickness = step / 32, max(round(step / 18), 1)
    lines = [readable(line) for line in of.lines]
    widths = [cv2.getTextSize(line, FONT, scale, thickness)[0][0] for line in lines]
    widest = max([*widths, of.least])
    bottom = min(height, int(step * (len(lines) + 0.9))) // 2 * 2
    right = min(width, int(widest + 1.6 * step)) // 2 * 2
    text = np.zeros((bottom, right), np.uint8)
    for number, line in enumerate(lines):
        left = (right - widths[number]) // 2 if of.centred else int(step * 0.8)
        origin = (left, int(step * (number + 1.15)))
        cv2.putText(text, line, origin, FONT, scale, 255, thickness, cv2.LINE_AA)
    black, white = (0, 255) if full_range else (16, 235)
    opacity = text / 255
    added = opacity * white + (1 - opacity) * black * (1 - DARKEN)
    return _rounded(255 * DARKEN * (1 - opacity)), _rounded(added)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(values).astype(np.uint8)
