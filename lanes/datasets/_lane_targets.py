"""Combine two teachers and partial truth into the classes each pixel of the task `lanes` may have.

Each pixel gets three questions: is it drivable ground (d), paint (p), a line with or without paint
(l)? The answers are yes, no or unsure. They come from the truth where the data set has it, else
from a teacher (`lanes.training.teachers` writes the cache). Together they select the set of classes
that the pixel may be, a row of `TARGETS`:

- Ground is {1} where d is yes, {0} where d is no, {0, 1} where d is unsure.
- Paint near a line is {2}. Paint without a line (a crossing, an arrow, a stop line) counts as
  unsure: the paint teacher cannot distinguish it from a lane line.
- A line without paint is {3}, with unsure paint {2, 3}. Next to paint, ground is possible too:
  teachers draw lines wider or narrower than the paint.
- A horizontal line is unsure: the line teacher also draws the edges of crossings and stop lines.
- Unsure paint adds 2 to the ground, an unsure line adds 3.

All maps are (H, W). Distances are in pixels at width 640 and scale with the picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.datasets import _files
from lanes.errors import BadDataset
from lanes.types import LabelMap, Size

SIZE = (360, 640)
"""Height and width of the cache's pictures."""
YES, NO = 0.75, 0.25
"""At or above the first probability the answer is yes, at or below the second it is no."""
LINE_NEAR = 6
"""Paint within this many pixels of a line is a lane line."""
FRINGE = 4
"""A line within this many pixels of paint may be the fringe of the paint."""
FLAT = 40
"""A line with this many adjacent pixels in a row lies across the road."""
TARGETS = np.array(
    [[row >> k & 1 for k in range(4)] for row in range(1, 16)],
    bool,
)
"""All sets: row r allows class k where bit k of r + 1 is set; the last row is unknown."""
Mask = NDArray[np.bool_]


class Answer(NamedTuple):
    """Where the answer is yes, and where no; elsewhere it is unsure."""

    yes: Mask
    no: Mask


class Taught(NamedTuple):
    """The teachers' answers for a frame."""

    paint: Answer
    line: Answer
    drivable: Answer


def cache_file(cache: str | Path, name: str, stem: str) -> Path:
    """The cache file of the frame `stem` of the data set `name`."""
    return Path(cache) / name / f"{stem}.png"


def read(cache: str | Path, name: str, stem: str, size: Size) -> Taught:
    """The cached answers for a frame, resized to its `size`; raises `BadDataset`."""
    maps = _files.read_map(cache_file(cache, name, stem), SIZE, coloured=True)
    if maps.ndim != 3:
        raise BadDataset(
            f"{cache_file(cache, name, stem)} holds one channel, wanted paint, line and drivable: "
            "delete it and run lanes teach again"
        )
    if size != SIZE:
        maps = np.asarray(cv2.resize(maps, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    yes, no = maps >= round(YES * 255), maps <= round(NO * 255)
    paint, line, drivable = (Answer(yes[..., k], no[..., k]) for k in range(3))
    return Taught(paint, _without_flat(line), drivable)


def truth(mask: Mask) -> Answer:
    """The answer of a complete ground-truth mask: sure everywhere."""
    return Answer(mask, ~mask)


def targets_of(paint: Answer, line: Answer, drivable: Answer) -> LabelMap:
    """Row numbers of `TARGETS` (H, W) for the three answers."""
    scale = paint.yes.shape[1] / SIZE[1]
    lane_paint = paint.yes & _near(line.yes, LINE_NEAR * scale)
    ground = np.where(drivable.yes, 2, np.where(drivable.no, 1, 3)).astype(np.uint8)
    # A sure line replaces the ground, except at the fringe of paint.
    open_ground = ~line.yes | _near(paint.yes, FRINGE * scale)
    sets = np.where(open_ground, ground, 0).astype(np.uint8)
    sets |= np.where(paint.no, 0, 4).astype(np.uint8)
    sets |= np.where(line.no, 0, 8).astype(np.uint8)
    sets[lane_paint] = 4
    return np.asarray(sets - 1, np.uint8)


def _without_flat(line: Answer) -> Answer:
    """The line teacher's answer, unsure where its line lies across the road: a crossing's edge."""
    length = max(round(FLAT * line.yes.shape[1] / SIZE[1]), 1)
    flat = cv2.morphologyEx(line.yes.astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, length)))
    across = _near(np.asarray(flat) > 0, LINE_NEAR * line.yes.shape[1] / SIZE[1])
    return Answer(line.yes & ~across, line.no & ~across)


def _near(mask: Mask, radius: float) -> Mask:
    """The pixels within `radius` pixels of `mask`."""
    if not mask.any():
        return np.zeros_like(mask)
    far = (~mask).astype(np.uint8)
    # A distance map is fifty times cheaper than dilating with a disc of that size.
    return np.asarray(cv2.distanceTransform(far, cv2.DIST_L2, 5)) <= radius
