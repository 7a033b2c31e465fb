"""White blood cells in crops of stained smears, with nucleus and cytoplasm (Zheng et al. 2018).

Layout: `ROOT/{images,labels}/NNN.png` and the lists of stems `ROOT/split_universeg_support.txt` and
`ROOT/split_universeg_test.txt` (70 and 30 percent); or ROOT is a folder of several such sets (DS1:
300 crops of about 112x112, DS2: 100 of 300x300), which are then read as one. Label files hold 0
background (red cells too), 128 cytoplasm, 255 nucleus; stray values in between are taken for the
nearest of these. Splits: "train" and "choose" (a fixed tenth) of the 70 percent; "val" (or "test"),
the 30, is what is reported.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from lanes.datasets import _files
from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import LabelMap, Measure, Sample

TASK = "blood_cells"
TARGETS = np.eye(3, dtype=bool)
MEASURES = {
    "nucleus": Measure(targets=(2,), classes=(2,)),
    "cytoplasm": Measure(targets=(1,), classes=(1,)),
    "whole cell": Measure(targets=(1, 2), classes=(1, 2)),
}
SOFT_CLASS = None
TERMS = "Zheng et al. 2018 (DS1, DS2): files under GPL-3.0, rights in the images unclear"
LISTS = {
    "train": "split_universeg_support.txt",
    "choose": "split_universeg_support.txt",
    "val": "split_universeg_test.txt",
    "test": "split_universeg_test.txt",
}
"""The list that each split is taken from."""
VALUES = (0, 128, 255)
"""What label files hold, in order of the class ids."""
STRAY = 0.01
"""Up to this share of a label file may be of other values."""
TWIN = "112"
"""In DS1, 112 and 139 are one picture drawn by two annotators: this one is left out."""


class WbcZheng:
    """Crops of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES, SOFT_CLASS = TASK, TARGETS, MEASURES, SOFT_CLASS

    def __init__(self, pairs: list[tuple[Path, Path]]) -> None:
        """Take `pairs` of image and label files."""
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_file, label_file = self.pairs[index]
        image = _files.read_image(image_file)
        stored = _files.read_labels(label_file, (image.shape[0], image.shape[1]), 256)
        return Sample(image, ids_of(stored, label_file))


def ids_of(stored: LabelMap, path: Path) -> LabelMap:
    """Class ids of a label file's values; raises `BadDataset` if most are none of `VALUES`."""
    stray = ~np.isin(stored, VALUES)
    if stray.mean() > STRAY:
        raise BadDataset(
            f"{path} holds the value {stored[stray][0]} ({int(stray.sum())} pixels are none of "
            f"{', '.join(map(str, VALUES))}): correct the mask"
        )
    table = np.abs(np.arange(256)[:, None] - np.array(VALUES)).argmin(1)
    return np.asarray(cv2.LUT(stored, table.astype(np.uint8)), np.uint8)


def open(root: str | Path, split: str) -> WbcZheng:
    """Open `split`: "train", "choose", "val" or, the same, "test".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, list or image is missing, or the split is empty.
    """
    if split not in LISTS:
        raise UnknownName(unknown("split", split, list(LISTS)))
    root = _files.folder(Path(root), "the crops of white blood cells")
    sets = [root] if (root / "images").exists() else sorted(p.parent for p in root.glob("*/images"))
    # Other data may stand beside them.
    sets = [folder for folder in sets if (folder / LISTS[split]).exists()] or [root]
    pairs = [pair for folder in sets for pair in _pairs(folder, split)]
    if not pairs:
        raise BadDataset(f"split {split!r} of {root} holds no image: see {LISTS[split]}")
    return WbcZheng(pairs)


def _pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    images = _files.images_by_stem(_files.folder(folder / "images", "the images"))
    labels = _files.folder(folder / "labels", "the labels")
    path = folder / LISTS[split]
    try:
        stems = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise BadDataset(
            f"{path} cannot be read ({error}): the stems of a split, one a line"
        ) from error
    stems = sorted(set(stems) - {TWIN})
    if split in ("train", "choose"):
        chosen = _tenth(stems)
        stems = chosen if split == "choose" else [s for s in stems if s not in chosen]
    for stem in stems:
        if stem not in images:
            raise BadDataset(
                f"{folder / 'images'} lacks {stem}.png, which {path.name} lists: add it"
            )
    return [(images[stem], labels / f"{stem}.png") for stem in stems]


def _tenth(stems: list[str]) -> list[str]:
    """A tenth, at least one, of the lowest hashes: exact, since there are few."""
    by_hash = sorted(stems, key=lambda stem: (zlib.crc32(stem.encode()), stem))
    return sorted(by_hash[: max(round(len(stems) / 10), 1)])
