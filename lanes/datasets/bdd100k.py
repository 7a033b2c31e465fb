"""BDD100K drivable maps (Yu et al. 2020, arXiv:1805.04687).

Layout: `ROOT/{train,val}/{images/*.jpg or .webp, drivable/*.png}`. Drivable values: 0 background,
1 direct (the ego lane), 2 alternative. The first eight characters of a file name identify the
drive; no drive is split between "train" and "choose". The truth has no lane lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lanes.datasets import _files, _lane_targets
from lanes.types import Measure, Sample

TASK = "lanes"
# The official maps do not mark paint: a lane line may lie on drivable ground or next to it.
TARGETS = np.array([[1, 0, 1, 1], [0, 1, 1, 1]], bool)
MEASURES = {"drivable": Measure(targets=(1,), classes=(1, 2, 3))}
TERMS = (
    "BDD100K (c) Regents of the University of California: education, research and not-for-profit "
    "use only"
)
DRIVABLE_VALUES = 3
DRIVE = 8
"""Number of leading characters of a file name that identify the drive."""


class Bdd100k:
    """Frames of one split; see `lanes.types.Dataset`. `groups` are the drives of the frames."""

    TASK = TASK
    MEASURES: Mapping[str, Measure]

    def __init__(self, folder: Path, images: list[Path], teachers: Path | None = None) -> None:
        """Use `images` of `folder`, which also holds drivable/; `teachers`: a cache folder."""
        self.folder = folder
        self.images = images
        self.teachers = teachers
        self.groups = [drive_of(path.stem) for path in images]
        # No figures with teachers: their table has other rows than the truth.
        self.TARGETS = TARGETS if teachers is None else _lane_targets.TARGETS
        self.MEASURES = MEASURES if teachers is None else {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        path = self.images[index]
        image = _files.read_image(path)
        size = (image.shape[0], image.shape[1])
        name = f"{path.stem}.png"
        drivable = _files.read_labels(self.folder / "drivable" / name, size, DRIVABLE_VALUES)
        if self.teachers is None:
            return Sample(image, (drivable > 0).astype(np.uint8))
        taught = _lane_targets.read(self.teachers, "bdd100k", path.stem, size)
        ground = _lane_targets.truth(drivable > 0)
        return Sample(image, _lane_targets.targets_of(taught.paint, taught.line, ground))

    def frames_by_stem(self) -> dict[str, Path]:
        """The image files by their names in the teachers' cache."""
        return {path.stem: path for path in self.images}


def open(root: str | Path, split: str, teachers: str | Path | None = None) -> Bdd100k:
    """Open `split`: "train", "choose" (a fixed tenth of train, by drive) or "val".

    `teachers` is a cache written by lanes teach: samples then hold more targets, but no measures.

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder is missing or holds no image of this split.
    """
    _files.check_split(split)
    folder = _files.folder(Path(root) / ("val" if split == "val" else "train"), "BDD100K frames")
    images = _files.images_by_stem(_files.folder(folder / "images", "BDD100K images"))
    stems = _files.choose_split(list(images), split, folder, drive_of)
    return Bdd100k(folder, [images[stem] for stem in stems], Path(teachers) if teachers else None)


def drive_of(stem: str) -> str:
    """The drive of a frame: the first eight characters of its name."""
    return stem[:DRIVE]
