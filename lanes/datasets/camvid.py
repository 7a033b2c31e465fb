"""CamVid road scenes (Brostow et al. 2009) in the eleven classes and 480x360 of SegNet's paper.

Layout: `ROOT/{train,val,test}/{images,labels}`; label files hold the ids of the task road_scene,
11 = void, which training and scoring ignore. Splits: "train" (367 images), "choose" and "val"
(both the official val, 101), "test" (233: the figures that papers report), and "trainval" (train
and val together) for comparison with papers that trained on both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lanes.datasets import _files
from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import Image, Measure, Sample

TASK = "road_scene"
NAMES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car",
         "pedestrian", "bicyclist")  # fmt: skip
TARGETS = np.concatenate([np.eye(len(NAMES), dtype=bool), np.ones((1, len(NAMES)), bool)])
MEASURES = {name: Measure(targets=(k,), classes=(k,)) for k, name in enumerate(NAMES)}
TERMS = "CamVid: University of Cambridge, research use; this copy CC BY-NC"
FOLDERS = {
    "train": ("train",),
    "choose": ("val",),
    "val": ("val",),
    "test": ("test",),
    "trainval": ("train", "val"),
}
"""The folders of each split."""


class CamVid(_files.Pairs):
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        size = (image.shape[0], image.shape[1])
        return Sample(image, _files.read_labels(label_file, size, len(TARGETS)))


def open(root: str | Path, split: str) -> CamVid:
    """Open `split`: "train", "choose", "val", "test" or "trainval".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder is missing or holds no image.
    """
    if split not in FOLDERS:
        raise UnknownName(unknown("split", split, list(FOLDERS)))
    pairs = []
    for name in FOLDERS[split]:
        folder = _files.folder(Path(root) / name, "CamVid frames")
        images = _files.images_by_stem(_files.folder(folder / "images", "CamVid images"))
        if not images:
            raise BadDataset(f"{folder / 'images'} holds no image; wanted PNG or JPEG files")
        pairs += [(image, folder / "labels" / f"{stem}.png") for stem, image in images.items()]
    return CamVid(pairs)
