"""White blood cells in crops of stained smears, with nucleus and cytoplasm (Zheng et al. 2018).

Layout: `ROOT/{images,labels}/NNN.png` and the lists of stems `ROOT/split_universeg_support.txt` and
`ROOT/split_universeg_test.txt` (70 and 30 percent); or ROOT is a folder of several such sets (DS1:
300 crops of about 112x112, DS2: 100 of 300x300), which are read as one. Label files hold 0
background (red cells too), 128 cytoplasm, 255 nucleus; stray values become the nearest of these.
Splits: "train" and "choose" (a fixed tenth) share the 70 percent; "val" (or "test") is the 30
percent that is reported.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from lanes.datasets import _files
from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import Image, LabelMap, Measure, Sample

TASK = "blood_cells"
TARGETS = np.eye(3, dtype=bool)
MEASURES = {
    "nucleus": Measure(targets=(2,), classes=(2,)),
    "cytoplasm": Measure(targets=(1,), classes=(1,)),
    "whole cell": Measure(targets=(1, 2), classes=(1, 2)),
}
TERMS = "Zheng et al. 2018 (DS1, DS2): files under GPL-3.0, rights in the images unclear"
LISTS = {
    "train": "split_universeg_support.txt",
    "choose": "split_universeg_support.txt",
    "val": "split_universeg_test.txt",
    "test": "split_universeg_test.txt",
}
"""The list file of each split."""
VALUES = (0, 128, 255)
"""The values in label files, in order of class id."""
STRAY = 0.01
"""The largest share of a label file that may have other values."""
TWIN = "112"
"""In DS1, 112 and 139 are the same picture, drawn by two annotators: this one is skipped."""


class WbcZheng(_files.Pairs):
    """Crops of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        stored = _files.read_labels(label_file, (image.shape[0], image.shape[1]), 256)
        return Sample(image, ids_of(stored, label_file))


def ids_of(stored: LabelMap, path: Path) -> LabelMap:
    """Class ids of a label file's values; raises `BadDataset` if too many are not in `VALUES`."""
    stray = ~np.isin(stored, VALUES)
    if stray.mean() > STRAY:
        raise BadDataset(
            f"{path} holds the value {stored[stray][0]} ({int(stray.sum())} pixels differ from "
            f"{', '.join(map(str, VALUES))}): correct the mask"
        )
    table = np.abs(np.arange(256)[:, None] - np.array(VALUES)).argmin(1)
    return np.asarray(cv2.LUT(stored, table.astype(np.uint8)), np.uint8)


def open(root: str | Path, split: str) -> WbcZheng:
    """Open `split`: "train", "choose", or "val" (also named "test").

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, list or image is missing, or the split is empty.
    """
    if split not in LISTS:
        raise UnknownName(unknown("split", split, list(LISTS)))
    root = _files.folder(Path(root), "the crops of white blood cells")
    sets = [root] if (root / "images").exists() else sorted(p.parent for p in root.glob("*/images"))
    # Skip other data next to them.
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
            f"{path} cannot be read ({error}): wanted the stems of a split, one per line"
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
    """The tenth (at least one) with the lowest hashes; exact, because there are few stems."""
    by_hash = sorted(stems, key=lambda stem: (zlib.crc32(stem.encode()), stem))
    return sorted(by_hash[: max(round(len(stems) / 10), 1)])
