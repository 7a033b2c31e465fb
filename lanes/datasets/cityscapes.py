"""Cityscapes in the eleven classes of road_scene (Cordts et al. 2016, arXiv:1604.01685).

Layout: `ROOT/leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png` and
`ROOT/gtFine/{train,val}/CITY/NAME_gtFine_labelTrainIds.png` (or `_labelIds.png`). Classes without a
counterpart are unknown: wall, traffic light, terrain, train.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lanes.datasets import _files
from lanes.errors import BadDataset
from lanes.types import IGNORE, Image, LabelMap, Measure, Sample

TASK = "road_scene"
NAMES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car",
         "pedestrian", "bicyclist")  # fmt: skip
UNKNOWN = len(NAMES)
TARGETS = np.concatenate([np.eye(UNKNOWN, dtype=bool), np.ones((1, UNKNOWN), bool)])
MEASURES: Mapping[str, Measure] = {
    name: Measure(targets=(k,), classes=(k,)) for k, name in enumerate(NAMES)
}
TERMS = "Cityscapes: for non-commercial research"
OF_TRAIN_IDS = {
    **{0: "road", 1: "pavement", 2: "building", 4: "fence", 5: "pole", 7: "sign", 8: "tree"},
    **{10: "sky", 11: "pedestrian", 12: "bicyclist", 13: "car", 14: "car", 15: "car"},
    **{17: "bicyclist", 18: "bicyclist"},
}
"""The class of each train id; others are unknown."""
TRAIN_ID_OF = {
    **{7: 0, 8: 1, 11: 2, 13: 4, 17: 5, 20: 7, 21: 8, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14},
    **{28: 15, 32: 17, 33: 18},
}
"""The train id of each id in `_labelIds` files, for the ids that have a class."""
IMAGE, TRAIN_IDS, IDS = "_leftImg8bit", "_gtFine_labelTrainIds", "_gtFine_labelIds"


class Cityscapes(_files.Pairs):
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        ids = _files.read_labels(label_file, (image.shape[0], image.shape[1]), IGNORE + 1)
        return Sample(image, _table(label_file.stem.endswith(IDS))[ids])


def open(root: str | Path, split: str) -> Cityscapes:
    """Open `split`: "train", "choose" (a fixed tenth of train) or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder or a label file is missing.
    """
    _files.check_split(split)
    part = "val" if split == "val" else "train"
    folder = _files.folder(Path(root) / "leftImg8bit" / part, "the cities' images")
    images = {path.stem.removesuffix(IMAGE): path for path in sorted(folder.glob("*/*.png"))}
    stems = _files.choose_split(list(images), split, folder)
    return Cityscapes([(images[stem], _labels(Path(root), images[stem], stem)) for stem in stems])


def looks_like(root: Path) -> bool:
    """Whether `root` has the two folders of Cityscapes."""
    return (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir()


def _labels(root: Path, image: Path, stem: str) -> Path:
    folder = root / "gtFine" / image.parent.parent.name / image.parent.name
    listed = [folder / f"{stem}{ending}.png" for ending in (TRAIN_IDS, IDS)]
    for path in listed:
        if path.is_file():
            return path
    raise BadDataset(f"{listed[0]} is missing, the labels of {image.name}: add it")


def _table(full_ids: bool) -> LabelMap:
    """The target of each stored id."""
    table = np.full(IGNORE + 1, UNKNOWN, np.uint8)
    for train_id, name in OF_TRAIN_IDS.items():
        table[train_id] = NAMES.index(name)
    if full_ids:
        of_ids = np.full(IGNORE + 1, UNKNOWN, np.uint8)
        for id_, train_id in TRAIN_ID_OF.items():
            of_ids[id_] = table[train_id]
        return of_ids
    return table
