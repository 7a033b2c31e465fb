"""KITTI road: the road or the own lane, without lines (Fritsch et al. 2013, ITSC).

Layout: `ROOT/training/{image_2,gt_image_2}`, also below `ROOT/data_road`. The labels of `um_000000`
are `um_road_000000.png`: magenta is road, red is not, black is unknown. The test labels are not
public, so a fixed tenth of training by the hash of the name is "val", another "choose".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lanes.datasets import _files, _pairs
from lanes.errors import BadDataset
from lanes.types import Image, Measure, Sample

TASK = "lanes"
GROUND, ROAD, UNKNOWN = range(3)
TARGETS = np.array([[1, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]], bool)
MEASURES: Mapping[str, Measure] = {"drivable": Measure(targets=(ROAD,), classes=(1, 2, 3))}
TERMS = "KITTI: CC BY-NC-SA 3.0"
BLUE, RED = 0, 2
"""Channels of a label: blue marks road, red marks known pixels."""


class KittiRoad(_files.Pairs):
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        label = _files.read_map(label_file, (image.shape[0], image.shape[1]), coloured=True)
        if label.ndim != 3:
            raise BadDataset(f"{label_file} is grey; wanted KITTI's colours: magenta, red, black")
        targets = np.where(label[..., BLUE] > 0, ROAD, GROUND)
        targets[label[..., RED] == 0] = UNKNOWN
        return Sample(image, targets.astype(np.uint8))


def open(root: str | Path, split: str) -> KittiRoad:
    """Open `split`: "train", "choose" or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder or a label file is missing, or the split is empty.
    """
    _files.check_split(split)
    folder = _training(Path(root))
    images = _files.images_by_stem(_files.folder(folder / "image_2", "KITTI's images"))
    stems = _pairs.divided(list(images), split, _pairs.WHOLE, (), folder)
    return KittiRoad([(images[stem], _label(folder, stem)) for stem in stems])


def looks_like(root: Path) -> bool:
    """Whether `root` has KITTI's folders of images and labels."""
    folder = _training(root)
    return (folder / "image_2").is_dir() and (folder / "gt_image_2").is_dir()


def _training(root: Path) -> Path:
    inner = root / "data_road"
    return (inner if inner.is_dir() else root) / "training"


def _label(folder: Path, stem: str) -> Path:
    """The labels of `um_000000`: of the whole road, or else of the own lane."""
    place, _, number = stem.partition("_")
    listed = [folder / "gt_image_2" / f"{place}_{what}_{number}.png" for what in ("road", "lane")]
    for path in listed:
        if path.is_file():
            return path
    raise BadDataset(f"{listed[0]} is missing, the labels of {stem}: add it")
