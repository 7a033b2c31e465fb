"""Reading pairs of image and label files, with errors that name the file and the cure."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import Image, Size

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
SPLITS = ("train", "choose", "val")


def folder(path: Path, what: str) -> Path:
    """`path`, which must be a folder."""
    if not path.is_dir():
        raise BadDataset(f"no folder {path}: {what} are looked for there; check the ROOT given")
    return path


def images_by_stem(path: Path) -> dict[str, Path]:
    """The image files of a folder, by file name without suffix, sorted."""
    return {p.stem: p for p in sorted(path.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES}


def in_choosing_tenth(group: str) -> bool:
    """Whether `group` (a drive, clip or file name) is of the fixed tenth that chooses models."""
    return zlib.crc32(group.encode()) % 10 == 0


def choose_split(stems: list[str], split: str, where: Path) -> list[str]:
    """The stems of a train folder that belong to `split`: "choose" is the fixed tenth."""
    if split not in SPLITS:
        raise UnknownName(unknown("split", split, list(SPLITS)))
    if split != "val":
        stems = [s for s in stems if in_choosing_tenth(s) == (split == "choose")]
    if not stems:
        raise BadDataset(f"split {split!r} of {where} holds no image")
    return stems


def read_image(path: Path) -> Image:
    """The picture as BGR (H, W, 3)."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BadDataset(f"{path} is not an image that OpenCV reads: {_cure(path)}")
    return np.asarray(image, np.uint8)


def read_labels(path: Path, size: Size, limit: int) -> NDArray[np.uint8]:
    """A one-channel 8-bit map (H, W) of `size` with values below `limit`."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise BadDataset(f"{path} is not a label image that OpenCV reads: {_cure(path)}")
    if labels.ndim != 2 or labels.dtype != np.uint8:
        got = f"{labels.dtype} with shape {labels.shape}"
        raise BadDataset(f"{path} holds {got}; wanted one channel of 8 bits with a label id each")
    if labels.shape != size:
        raise BadDataset(
            f"{path} is {labels.shape[1]}x{labels.shape[0]} but its image is {size[1]}x{size[0]}: "
            "resize one of them (labels by nearest neighbour)"
        )
    if labels.max() >= limit:
        raise BadDataset(
            f"{path} holds the label {labels.max()}; known are 0 to {limit - 1}: "
            "map the others in labels.toml, or correct the mask"
        )
    return np.asarray(labels, np.uint8)


def _cure(path: Path) -> str:
    return "the file is damaged, write it again" if path.exists() else "the file is missing"
