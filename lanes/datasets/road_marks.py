"""Road marks: dashcam frames with the visible paint drawn dash by dash (Denis Zhuk, 2024).

Layout: `ROOT/{train,val}/{images/*.jpg, labels/*.png}`; labels 0 or 255 = paint. Distant dashes
are incomplete, and a dash ends where its paint ends, while BDD100K and TuSimple draw lines through
gaps. So the splits use this truth differently:

- "train": paint is lane line, pixels more than 40 px (at 1280x720) from any paint are not, and the
  ring between is unknown, so that a line drawn through a gap costs nothing.
- "choose" and "val" score paint against everything else, as the figures in the data's README do.
  A lane line predicted in a gap lowers the IoU; the tolerant F4 forgives only 4 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.datasets import _files, _lane_targets
from lanes.errors import BadDataset
from lanes.types import LabelMap, Measure, Sample

TASK = "lanes"
NOT_LANE, PAINT, UNKNOWN = range(3)
TARGETS = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]], bool)
MEASURES = {"lane line": Measure(targets=(PAINT,), classes=(2,), lines=True)}
TERMS = "road_marks: MIT licence, (c) 2024 Denis Zhuk"
RING = 40
"""Width in pixels (at picture width 1280) of the unknown ring around paint."""


class RoadMarks:
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK = TASK
    MEASURES: Mapping[str, Measure]

    def __init__(
        self, folder: Path, images: list[Path], teaches: bool, teachers: Path | None = None
    ) -> None:
        """Use `images` of `folder`, which also holds labels/.

        `teaches` adds the unknown ring; `teachers` is a cache that fills in the other classes.
        """
        self.folder = folder
        self.images = images
        self.teaches = teaches
        self.teachers = teachers
        # No figures with teachers: their table has other rows than the truth.
        self.TARGETS = TARGETS if teachers is None else _lane_targets.TARGETS
        self.MEASURES = MEASURES if teachers is None else {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        path = self.images[index]
        image = _files.read_image(path)
        labels = self.folder / "labels" / f"{path.stem}.png"
        marks = _files.read_labels(labels, (image.shape[0], image.shape[1]), 256)
        stray = (marks != 0) & (marks != 255)
        if stray.any():
            raise BadDataset(
                f"{labels} holds the value {marks[stray][0]} ({int(stray.sum())} pixels are "
                "neither 0 nor 255); wanted 0 or 255 (paint): correct the mask"
            )
        if self.teachers is None:
            return Sample(image, targets_of(marks > 0, self.teaches))
        size = (image.shape[0], image.shape[1])
        taught = _lane_targets.read(self.teachers, "road_marks", path.stem, size)
        return Sample(image, taught_targets(marks > 0, taught))

    def frames_by_stem(self) -> dict[str, Path]:
        """The image files by their names in the teachers' cache."""
        return {path.stem: path for path in self.images}


def targets_of(paint: NDArray[np.bool_], teaches: bool) -> LabelMap:
    """Target ids (H, W) of a paint mask (H, W); `teaches` adds the unknown ring."""
    mask = paint.astype(np.uint8)
    if not teaches:
        return mask
    radius = max(round(RING * paint.shape[1] / 1280), 1)
    # A distance map is fifty times cheaper than dilating with a disc of that size.
    distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) if mask.any() else mask + np.inf
    near = np.asarray(distance) <= radius
    return np.where(paint, PAINT, np.where(near, UNKNOWN, NOT_LANE)).astype(np.uint8)


def taught_targets(paint: NDArray[np.bool_], taught: _lane_targets.Taught) -> LabelMap:
    """Rows of `_lane_targets.TARGETS` (H, W) from a paint mask (H, W) and the teachers.

    A labelled dash is a lane line even if the line teacher misses it. "Not paint" holds only in
    the ring around labelled paint and where the paint teacher agrees, since distant dashes are
    unlabelled.
    """
    ring = targets_of(paint, teaches=True) == UNKNOWN
    answer = _lane_targets.Answer(paint, ~paint & (ring | taught.paint.no))
    line = _lane_targets.Answer(taught.line.yes | paint, taught.line.no & ~paint)
    return _lane_targets.targets_of(answer, line, taught.drivable)


def open(root: str | Path, split: str, teachers: str | Path | None = None) -> RoadMarks:
    """Open `split`: "train", "choose" (a fixed tenth of train) or "val".

    `teachers` is a cache written by lanes teach: samples then hold more targets, but no measures.

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder is missing or holds no image of this split.
    """
    _files.check_split(split)
    folder = _files.folder(Path(root) / ("val" if split == "val" else "train"), "road_marks frames")
    images = _files.images_by_stem(_files.folder(folder / "images", "road_marks images"))
    stems = _files.choose_split(list(images), split, folder, _neighbours)
    chosen = [images[stem] for stem in stems]
    return RoadMarks(folder, chosen, split == "train", Path(teachers) if teachers else None)


def _neighbours(stem: str) -> str:
    """Keep ten neighbours together: frame numbers follow the drives, so neighbours look alike."""
    return str(int(stem) // 10) if stem.isdecimal() else stem
