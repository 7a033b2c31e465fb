"""BDD100K drivable maps (Yu et al. 2020, arXiv:1805.04687) with a teacher's lane probabilities.

Layout: `ROOT/{train,val}/{images/*.jpg, drivable/*.png, lane_teacher/*.png}`. Drivable values: 0
background, 1 direct (the ego lane), 2 alternative. The teacher's map is 255 x its probability that
a pixel is lane line; it is optional, and no ground truth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lanes.datasets import _files
from lanes.types import Measure, Sample

TASK = "lanes"
# The official maps say nothing of paint: a lane line may lie on drivable ground and beside it.
TARGETS = np.array([[1, 0, 1, 1], [0, 1, 1, 1]], bool)
MEASURES = {"drivable": Measure(targets=(1,), classes=(1, 2, 3))}
SOFT_CLASS = None
TERMS = (
    "BDD100K (c) Regents of the University of California: education, research and not-for-profit "
    "use only; lane probabilities of a TwinLiteNet trained on BDD100K"
)
DRIVABLE_VALUES = 3


class Bdd100k:
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES, SOFT_CLASS = TASK, TARGETS, MEASURES, SOFT_CLASS

    def __init__(self, folder: Path, images: list[Path]) -> None:
        """Take `images` of `folder`, which holds drivable/ and lane_teacher/ beside them."""
        self.folder = folder
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        path = self.images[index]
        image = _files.read_image(path)
        size = (image.shape[0], image.shape[1])
        name = f"{path.stem}.png"
        drivable = _files.read_labels(self.folder / "drivable" / name, size, DRIVABLE_VALUES)
        return Sample(image, (drivable > 0).astype(np.uint8))


def open(root: str | Path, split: str) -> Bdd100k:
    """Open `split`: "train", "choose" (a fixed tenth of train, by drive) or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder is missing or holds no image of this split.
    """
    _files.check_split(split)
    folder = _files.folder(Path(root) / ("val" if split == "val" else "train"), "BDD100K frames")
    images = _files.images_by_stem(_files.folder(folder / "images", "BDD100K images"))
    # One frame a drive: the file name is the drive.
    stems = _files.choose_split(list(images), split, folder)
    return Bdd100k(folder, [images[stem] for stem in stems])
