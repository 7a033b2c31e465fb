"""From two teachers and partial truth to what a pixel of the task `lanes` may be.

Of each pixel three things are asked: is it drivable ground (d), paint (p), a line with or without
paint (l)? Each answer is yes, no or unsure; truth answers where a data set has it, a teacher
elsewhere (`lanes.training.teachers` writes its cache). Together they give the set of classes that
the pixel may be, a row of `TARGETS`:

- Ground is {1} where d is yes, {0} where it is no, {0, 1} where it is unsure.
- Paint with a line near is {2}. Paint without (a crossing, an arrow, a stop line) is not told from
  a lane line by the paint teacher: it counts as unsure.
- A line without paint is {3}, one with unsure paint {2, 3}; beside paint ground is possible too,
  since teachers draw lines of another width than paint has.
- A flat line of the line teacher is unsure: it draws the edges of crossings and stop lines.
- Unsure paint adds 2 to the ground, an unsure line adds 3.

All maps are (H, W); distances are pixels of a picture 640 wide and grow with it.
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
"""From the first probability on the answer is yes, up to the second it is no."""
LINE_NEAR = 6
"""Paint with a line within so many pixels is a lane line."""
FRINGE = 4
"""A line within so many pixels of paint may be its fringe."""
FLAT = 40
"""A line with so many pixels side by side in a row lies across the road."""
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
    """What the teachers say of a frame."""

    paint: Answer
    line: Answer
    drivable: Answer


def cache_file(cache: str | Path, name: str, stem: str) -> Path:
    """The file of the frame `stem` of the data set `name`."""
    return Path(cache) / name / f"{stem}.png"


def read(cache: str | Path, name: str, stem: str, size: Size) -> Taught:
    """What the cache says of a frame, enlarged to its `size`; raises `BadDataset`."""
    told = _files.read_map(cache_file(cache, name, stem), SIZE)
    if told.ndim != 3:
        raise BadDataset(
            f"{cache_file(cache, name, stem)} holds one channel, wanted paint, line and drivable: "
            "remove it, and run lanes teach again"
        )
    if size != SIZE:
        told = np.asarray(cv2.resize(told, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    yes, no = told >= round(YES * 255), told <= round(NO * 255)
    paint, line, drivable = (Answer(yes[..., k], no[..., k]) for k in range(3))
    return Taught(paint, _without_flat(line), drivable)


def truth(mask: Mask) -> Answer:
    """The answer of a truth that is sure of every pixel."""
    return Answer(mask, ~mask)


def targets_of(paint: Answer, line: Answer, drivable: Answer) -> LabelMap:
    """Rows of `TARGETS` (H, W) for three answers."""
    scale = paint.yes.shape[1] / SIZE[1]
    lane_paint = paint.yes & _near(line.yes, LINE_NEAR * scale)
    ground = np.where(drivable.yes, 2, np.where(drivable.no, 1, 3)).astype(np.uint8)
    # Where a line is sure it takes the ground's place, but for the fringe of paint.
    open_ground = ~line.yes | _near(paint.yes, FRINGE * scale)
    sets = np.where(open_ground, ground, 0).astype(np.uint8)
    sets |= np.where(paint.no, 0, 4).astype(np.uint8)
    sets |= np.where(line.no, 0, 8).astype(np.uint8)
    sets[lane_paint] = 4
    return np.asarray(sets - 1, np.uint8)


def _without_flat(line: Answer) -> Answer:
    """The line teacher's answer, unsure where its line lies across: it is a crossing's edge."""
    length = max(round(FLAT * line.yes.shape[1] / SIZE[1]), 1)
    flat = cv2.morphologyEx(line.yes.astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, length)))
    across = _near(np.asarray(flat) > 0, LINE_NEAR * line.yes.shape[1] / SIZE[1])
    return Answer(line.yes & ~across, line.no & ~across)


def _near(mask: Mask, radius: float) -> Mask:
    """Where a pixel of `mask` lies within `radius` pixels."""
    if not mask.any():
        return np.zeros_like(mask)
    far = (~mask).astype(np.uint8)
    # A distance map costs a fiftieth of a dilation by a disc of that size.
    return np.asarray(cv2.distanceTransform(far, cv2.DIST_L2, 5)) <= radius
