"""Draws hatching: slanted stripes that keep traffic off a strip of the road."""

from __future__ import annotations

import numpy as np

from lanes.synthetic.paint import BACKGROUND, DRIVABLE, HATCHED
from lanes.synthetic.view import Floats, View
from lanes.synthetic.world import Hatch
from lanes.types import Image, LabelMap

BORDER = 0.15
"""Width in metres of the line around a hatched strip."""


def paint_hatch(
    v: View, hatch: Hatch, s: float, t: Floats, sharp: Floats, texture: Image, labels: LabelMap
) -> None:
    """Paint a hatched strip on the texture; label its stripes and border `HATCHED`.

    `s` is the camera's position along the road in metres; `t` and `sharp`, (h, W), are metres
    across the road and pixels per metre. If it covers a lane, the asphalt between the stripes is
    labelled 0.
    """
    low, high = sorted((hatch.outer, hatch.outer - hatch.width))
    near = np.flatnonzero((t > low - 0.2) & (t < high + 0.2) & v.seen)
    aside, sharp, rows = t.ravel()[near], sharp.ravel()[near], v.row_spread.ravel()[near]
    at = (v.depth.ravel()[near] + np.float32(s - hatch.start)) % np.float32(hatch.every)
    ramp = np.clip(np.minimum(at, hatch.length - at) / hatch.taper, 0, 1)
    wide = abs(hatch.width) * ramp
    # The distance from the outer edge, in the direction of the strip's width.
    inward = (hatch.outer - aside) * np.sign(hatch.width)
    area = np.clip(np.minimum(inward, wide - inward) * sharp + 0.5, 0, 1)
    spread = np.hypot(rows, hatch.slant / sharp)
    stripes = area * _stripes(hatch, at + hatch.slant * inward, spread)
    from_border = BORDER / 2 - np.abs(inward - wide)
    border = np.minimum(np.clip(from_border * sharp + 0.5, 0, 1), BORDER * sharp) * (ramp > 0)
    cover = np.maximum(stripes, border)
    flat = labels.reshape(-1)
    if hatch.takes:
        within = near[area >= 0.5]
        flat[within[flat[within] == DRIVABLE]] = BACKGROUND
    painted = (stripes >= 0.5) & (spread <= 2 * hatch.stripe)
    painted |= (border >= 0.5) & (BORDER * sharp >= 0.5)
    flat[near[painted]] = HATCHED
    base = texture.reshape(-1, 3)[near].astype(np.float32)
    base += (np.array(hatch.colour, np.float32) - base) * (0.85 * cover)[:, None]
    texture.reshape(-1, 3)[near] = base.astype(np.uint8)


def _stripes(hatch: Hatch, along: Floats, spread: Floats) -> Floats:
    """The share of each pixel that is stripe, 0..1; distant stripes blur into one another."""
    period = hatch.stripe + hatch.gap
    inside = hatch.stripe / 2 - np.abs(along % period - period / 2)
    cover = np.clip(inside / np.maximum(spread, 0.02) + 0.5, 0, 1)
    merge = np.clip(spread / period, 0, 1)
    return np.asarray(cover + (hatch.stripe / period - cover) * merge, np.float32)
