"""Read pairs of image and label files; errors name the file and the cure."""

from __future__ import annotations

import unicodedata
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadDataset, BadInput, UnknownName
from lanes.images.read import read_mask, read_picture
from lanes.plugins import unknown
from lanes.types import IGNORE, Dataset, Image, InstanceMap, Sample, Size

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
LOSSY = (".jpg", ".jpeg")
Ids: TypeAlias = NDArray[np.uint8]
"""(H, W): label ids as stored."""
SPLITS = ("train", "choose", "val")


class Pairs(ABC):
    """Images with a label file each; see `lanes.types.Dataset`. A subclass makes the sample."""

    def __init__(self, pairs: list[tuple[Path, Path]]) -> None:
        """Take `pairs` of image and label files."""
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_file, label_file = self.pairs[index]
        return self.sample(read_image(image_file), label_file)

    @abstractmethod
    def sample(self, image: Image, label_file: Path) -> Sample:
        """The sample of `image` (H, W, 3)."""


def folder(path: Path, what: str) -> Path:
    """Return `path`; raises `BadDataset` if it is not a folder."""
    if not path.is_dir():
        raise BadDataset(f"no folder {path}: it should hold {what}; check the ROOT given")
    return path


def plain_stem(file: Path | str) -> str:
    """A file's stem in Unicode's composed form: systems write letters such as ü differently."""
    return unicodedata.normalize("NFC", Path(file).stem)


def images_by_stem(path: Path) -> dict[str, Path]:
    """The image files of a folder by stem, sorted; raises `BadDataset` if two share a stem."""
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in IMAGE_SUFFIXES or file.name.startswith("."):
            continue
        if file.is_dir():
            continue
        stem = plain_stem(file)
        if stem in found:
            twin = found[stem].name
            raise BadDataset(
                f"{path} holds {twin} and {file.name}: only one can match the labels "
                f"{stem!r}; rename or remove the other"
            )
        found[stem] = file
    return found


def image_files(dataset: Dataset) -> list[Path]:
    """The image file of each sample; empty for a data set that draws its images."""
    if hasattr(dataset, "pairs"):
        return [image for image, _ in dataset.pairs]
    if hasattr(dataset, "frames"):
        return [frame.image for frame in dataset.frames]
    return list(getattr(dataset, "images", []))


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


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark of byte order; raises `BadDataset`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDataset(f"{path} is not text in UTF-8: save it in this encoding") from error


def read_image(path: Path) -> Image:
    """The picture as BGR (H, W, 3), upright, as annotation tools show it; raises `BadDataset`."""
    with _of_dataset():
        return read_picture(path)


def read_map(path: Path, size: Size, coloured: bool = False) -> NDArray[np.uint8]:
    """A label file of `size`: ids (H, W), or (H, W, 3) BGR colours; see `read.read_mask`."""
    labels = read_stored(path, coloured)
    if labels.dtype != np.uint8 and labels.max(initial=0) > IGNORE:
        raise BadDataset(f"{path} holds the value {labels.max()}; wanted ids of at most {IGNORE}")
    check_size((labels.shape[0], labels.shape[1]), path, size)
    return labels.astype(np.uint8, copy=False)


def read_stored(path: Path, coloured: bool = False) -> NDArray[np.unsignedinteger[Any]]:
    """A label file of any size and depth as stored: `read.read_mask`, but raises `BadDataset`."""
    if path.suffix.lower() in LOSSY:
        raise BadDataset(f"{path} is a JPEG, which changes label values: export masks as PNG")
    with _of_dataset():
        return read_mask(path, coloured)


def read_instances(path: Path, size: Size) -> InstanceMap:
    """A one-channel instance map (H, W) of `size`: each pixel holds its instance's id."""
    instances = read_stored(path)
    if instances.ndim != 2:
        raise BadDataset(
            f"{path} holds {instances.shape[2]} channels; wanted one of 8 or 16 bits with the "
            "instance id of each pixel"
        )
    check_size((instances.shape[0], instances.shape[1]), path, size)
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


def check_size(got: Size, what: object, size: Size) -> None:
    """Raise `BadDataset` if `what`, of size `got`, does not have its image's `size`."""
    if got == size:
        return
    sizes = f"{what} is {got[1]}x{got[0]} but its image is {size[1]}x{size[0]}"
    if got == size[::-1]:
        raise BadDataset(
            f"{sizes}: one of them is turned. Photos are turned upright by their EXIF orientation; "
            "turn the labels too, or remove the image's orientation if they are right without it"
        )
    raise BadDataset(f"{sizes}: resize one of them (labels by nearest neighbour)")


@contextmanager
def _of_dataset() -> Iterator[None]:
    """Raise the error of a file that cannot be read as `BadDataset`."""
    try:
        yield
    except BadInput as error:
        raise BadDataset(str(error)) from error
