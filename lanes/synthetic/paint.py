"""Draws lines along the road, and labels visible and implied lines."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.view import Floats, View
from lanes.synthetic.world import Line
from lanes.types import Image, LabelMap

BACKGROUND, DRIVABLE, LINE, IMPLIED = 0, 1, 2, 3
HATCHED = 4
"""Temporary label of hatching; finally it becomes 2, or 0 behind a vehicle."""

Ground: TypeAlias = tuple[Image, NDArray[np.uint8]]


def sharpness(v: View, t: Floats) -> Floats:
    """Pixels per metre across the road: the inverse of the slope of `t` in the image."""
    slope = np.empty_like(t)
    np.subtract(t[1:], t[:-1], out=slope[:-1])
    slope[-1] = slope[-2]
    steep = np.asarray(cv2.magnitude(slope, v.depth * np.float32(1 / v.focal)), np.float32)
    return np.asarray(np.divide(1, steep, out=steep))


def paint_line(
    v: View, line: Line, s: float, t: Floats, sharp: Floats, ground: Ground, labels: LabelMap
) -> None:
    """Paint one line on the texture and label it: 2 with visible paint, 3 without.

    `s` is the camera's position along the road in metres; `t` and `sharp`, (h, W), are metres
    across the road and pixels per metre. Pixels are labelled if the line fills at least half of
    them.
    """
    texture, paint = ground
    half = np.float32(line.width / 2)
    aside = np.abs(t - np.float32(line.t)) - half
    aside *= sharp
    near = np.flatnonzero((aside < 0.5) & v.seen)
    edge, pixels = aside.ravel()[near], line.width * sharp.ravel()[near]
    cover = np.minimum(np.minimum(0.5 - edge, pixels), 1)
    inside = ((edge <= 0) | (edge + pixels / 2 < 0.5)) & (pixels >= 0.5)
    there = np.ones(len(near), np.float32)
    along = s + v.depth.ravel()[near]
    if line.gap:
        there *= _dashes(line, along, v.row_spread.ravel()[near])
    if line.away:
        there *= left_of(line, along)
    near_in, visible = near[inside], there[inside] >= 0.5
    flat = labels.reshape(-1)
    flat[near_in[~visible & (flat[near_in] < LINE)]] = IMPLIED
    flat[near_in[visible]] = LINE
    cover *= there
    left = np.clip((paint.reshape(-1, 2)[near, 0] / 255 - 0.9 * line.wear) * 5 + 0.6, 0.12, 1)
    base = texture.reshape(-1, 3)[near].astype(np.float32)
    share = (cover * left)[:, None].astype(np.float32)
    base += (np.array(line.colour, np.float32) * (1 - 0.35 * line.wear) - base) * share
    texture.reshape(-1, 3)[near] = base.astype(np.uint8)


def left_of(line: Line, s: NDArray[np.floating]) -> Floats:
    """The share of paint left along the road, 0..1; it is 0 on the share `away` of the length."""
    turn = 0.9 * line.phase + 1.7 * line.t
    wave = np.sin(0.113 * s + turn) + 0.8 * np.sin(0.291 * s + 3.1 * turn)
    wave += 0.5 * np.sin(0.77 * s + 5.3 * turn)
    # The sum of the waves is about normal, with deviation 0.97; the share `away` is below this.
    least = float(np.log(line.away / (1 - line.away))) * 0.57
    return np.asarray(np.clip((wave - least) * 4 + 0.5, 0, 1), np.float32)


def _dashes(line: Line, s: NDArray[np.floating], spread: Floats) -> Floats:
    """The share of each pixel's road that is dash, 0..1; distant dashes blur into one another."""
    period = line.dash + line.gap
    at = (s + line.phase) / period
    at = (at - np.floor(at)) * period
    inside = line.dash / 2 - np.abs(at - period / 2)
    cover = np.clip(inside / np.maximum(spread, 0.02) + 0.5, 0, 1)
    merge = np.clip(spread / period, 0, 1)
    return np.asarray(cover + (line.dash / period - cover) * merge, np.float32)
