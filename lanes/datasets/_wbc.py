"""Shared code of the data sets of white blood cells (Zheng et al. 2018): lists, files and masks."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

from lanes.datasets import _files
from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import LabelMap, Size

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


def read_ids(path: Path, size: Size) -> LabelMap:
    """Class ids (H, W) of a label file of `size`: 0 background, 1 cytoplasm, 2 nucleus."""
    return ids_of(_files.read_labels(path, size, 256), path)


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


def pairs_of(root: Path, split: str) -> list[tuple[Path, Path]]:
    """The image and label files of `split`, of one set or of a folder of sets.

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, list or image is missing, or the split is empty.
    """
    if split not in LISTS:
        raise UnknownName(unknown("split", split, list(LISTS)))
    root = _files.folder(root, "the crops of white blood cells")
    sets = [root] if (root / "images").exists() else sorted(p.parent for p in root.glob("*/images"))
    # Skip other data next to them.
    sets = [folder for folder in sets if (folder / LISTS[split]).exists()] or [root]
    pairs = [pair for folder in sets for pair in _pairs(folder, split)]
    if not pairs:
        raise BadDataset(f"split {split!r} of {root} holds no image: see {LISTS[split]}")
    return pairs


def _pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    images = _files.images_by_stem(_files.folder(folder / "images", "the images"))
    labels = _files.folder(folder / "labels", "the labels")
    path = folder / LISTS[split]
    try:
        stems = _files.read_text(path).split()
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
