"""Read pairs of image and label files; errors name the file and the cure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import Image, InstanceMap, Size

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
SPLITS = ("train", "choose", "val")


def folder(path: Path, what: str) -> Path:
    """Return `path`; raises `BadDataset` if it is not a folder."""
    if not path.is_dir():
        raise BadDataset(f"no folder {path}: it should hold {what}; check the ROOT given")
    return path


def images_by_stem(path: Path) -> dict[str, Path]:
    """The image files of a folder by stem, sorted; raises `BadDataset` if two share a stem."""
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in IMAGE_SUFFIXES or file.name.startswith("."):
            continue
        if file.stem in found:
            twin = found[file.stem].name
            raise BadDataset(
                f"{path} holds {twin} and {file.name}: only one can match the labels "
                f"{file.stem!r}; rename or remove the other"
            )
        found[file.stem] = file
    return found


def check_split(split: str) -> None:
    """Raise `UnknownName` unless `split` is "train", "choose" or "val"."""
    if split not in SPLITS:
        raise UnknownName(unknown("split", split, list(SPLITS)))


def in_choosing_tenth(group: str) -> bool:
    """Whether `group` (a drive, clip or file name) is in the fixed tenth that selects models."""
    return zlib.crc32(group.encode()) % 10 == 0


def choose_split(
    stems: list[str], split: str, where: Path, group: Callable[[str], str] = str
) -> list[str]:
    """The train (or val) stems that belong to `split`; raises `BadDataset` if it is empty.

    "choose" is a fixed tenth of train. It takes whole groups: `group` maps a stem to its drive or
    clip (default: each image is its own group).
    """
    check_split(split)
    if split != "val":
        stems = [s for s in stems if in_choosing_tenth(group(s)) == (split == "choose")]
    if not stems:
        raise BadDataset(
            f"split {split!r} of {where} holds no image; "
            "see the data set's description for the expected folders"
        )
    return stems


def read_image(path: Path) -> Image:
    """The picture as BGR (H, W, 3), rotated by its EXIF orientation, as annotation tools do."""
    image = _read(path, cv2.IMREAD_COLOR)
    if image is None:
        raise BadDataset(f"{path} is not an image that OpenCV can read: {_cure(path)}")
    return np.asarray(image, np.uint8)


def read_map(path: Path, size: Size) -> NDArray[np.uint8]:
    """A label file of `size` as stored, 8 bits: (H, W) ids, or (H, W, 3) BGR colours."""
    labels = _read(path, cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise BadDataset(f"{path} is not a label image that OpenCV can read: {_cure(path)}")
    if labels.dtype != np.uint8:
        raise BadDataset(f"{path} holds {labels.dtype}; wanted 8 bits: save the mask as uint8")
    _check_size(labels, path, size)
    return np.asarray(labels if labels.ndim == 2 else labels[..., :3], np.uint8)


def read_instances(path: Path, size: Size) -> InstanceMap:
    """A one-channel instance map (H, W) of `size`: each pixel holds its instance's id."""
    instances = _read(path, cv2.IMREAD_UNCHANGED)
    if instances is None:
        raise BadDataset(f"{path} is not an instance map that OpenCV can read: {_cure(path)}")
    if instances.ndim != 2 or instances.dtype not in (np.uint8, np.uint16):
        channels = instances.shape[2] if instances.ndim == 3 else 1
        raise BadDataset(
            f"{path} holds {channels} channels of {instances.dtype}; wanted one of 8 or 16 bits "
            "with the instance id of each pixel"
        )
    _check_size(instances, path, size)
    return instances.astype(np.uint16)


def read_labels(path: Path, size: Size, limit: int) -> NDArray[np.uint8]:
    """A one-channel 8-bit map (H, W) of `size` with values below `limit`."""
    labels = read_map(path, size)
    if labels.ndim != 2:
        raise BadDataset(f"{path} holds colours; wanted one 8-bit channel of label ids")
    if labels.size and labels.max() >= limit:
        many = int((labels >= limit).sum())
        raise BadDataset(
            f"{path} holds the label {labels.max()} ({many} pixels are above {limit - 1}); "
            f"wanted 0 to {limit - 1}: correct the mask"
        )
    return labels


def _check_size(labels: NDArray[Any], path: Path, size: Size) -> None:
    if labels.shape[:2] != size:
        raise BadDataset(
            f"{path} is {labels.shape[1]}x{labels.shape[0]} but its image is {size[1]}x{size[0]}: "
            "resize one of them (labels by nearest neighbour)"
        )


def _read(path: Path, flags: int) -> NDArray[Any] | None:
    # cv2.imread prints warnings for missing files, and on some systems for non-ASCII names.
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    return cv2.imdecode(data, flags) if data.size else None


def _cure(path: Path) -> str:
    return "the file is damaged; replace it" if path.exists() else "the file is missing"
