"""The user's own images and masks, by folder.

Layout: `ROOT/{train,val}/{images,labels}`, or `ROOT/{images,labels}`, where a fixed tenth by the
hash of the file name is "val" and another is "choose" (use the two folders to keep frames of one
drive in one split). A mask has its image's name and size. It is a PNG (or BMP, TIFF) whose values
are the class ids of the task lanes, 255 = unknown, unless `ROOT/labels.toml` says otherwise:

    task = "lanes"
    [ids]                               # or [colours] with keys such as "#ff0000"
    0 = ["background", "drivable"]      # either one
    128 = "lane line"
    255 = "unknown"

`TASK` and `TARGETS` below apply to a folder without labels.toml. Training and evaluation read the
attributes of the opened data set instead.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lanes.datasets import _files, _label_table
from lanes.datasets._label_table import LabelTable
from lanes.errors import BadDataset
from lanes.types import Measure, Sample

TASK = _label_table.DEFAULT_TASK
TARGETS = np.vstack([np.eye(4, dtype=bool), np.ones((1, 4), bool)])
MEASURES: Mapping[str, Measure] = {
    "drivable": Measure(targets=(1, 2, 3), classes=(1, 2, 3)),
    "lane line": Measure(targets=(2,), classes=(2,), lines=True),
    "line": Measure(targets=(2, 3), classes=(2, 3), lines=True),
}
TERMS = "the user's own images"


class ImageFolder:
    """Pairs of one split; see `lanes.types.Dataset`."""

    def __init__(self, pairs: list[tuple[Path, Path]], table: LabelTable) -> None:
        """Use `pairs` of image and mask files; `table` maps the mask values."""
        self.pairs = pairs
        self.table = table
        self.TASK = table.task
        self.TARGETS = table.targets
        self.MEASURES = table.measures

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_file, mask_file = self.pairs[index]
        image = _files.read_image(image_file)
        mask = _files.read_map(mask_file, (image.shape[0], image.shape[1]))
        return Sample(image, self.table.convert(mask, mask_file))


def open(root: str | Path, split: str) -> ImageFolder:
    """Open `split`: "train", "choose" (a fixed tenth, for choosing checkpoints) or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder or mask is missing, a split is empty, labels.toml is wrong.
    """
    _files.check_split(split)
    root = _files.folder(Path(root), "images and labels")
    table = _label_table.read(root, judges=split != "train")
    split_folders = (root / "train").is_dir() or (root / "val").is_dir()
    where = root / ("val" if split == "val" else "train") if split_folders else root
    where = _files.folder(where, f"the {split} images (ROOT/train and ROOT/val)")
    images = _files.images_by_stem(_files.folder(where / "images", "the images"))
    masks = _files.images_by_stem(_files.folder(where / "labels", "the masks"))
    stems = parts(list(images), has_val=not split_folders)
    chosen = list(images) if split_folders and split == "val" else stems[split]
    if not chosen:
        raise BadDataset(
            f"split {split!r} of {where} holds no image: the folder has {len(images)}, but "
            f"dividing it takes at least {2 if split_folders else 3}"
        )
    missing = [stem for stem in chosen if stem not in masks]
    if missing:
        raise BadDataset(
            f"{where / 'labels' / missing[0]}.png is missing ({len(missing)} of {len(chosen)} "
            f"images have no mask): add it, or remove {images[missing[0]].name}"
        )
    return ImageFolder([(images[stem], masks[stem]) for stem in chosen], table)


def parts(stems: list[str], has_val: bool) -> dict[str, list[str]]:
    """Divide by hash of the name: a tenth "choose", a tenth "val" if `has_val`, the rest "train".

    In a folder too small for a tenth, a part gets the image with the lowest hash.
    """
    rest = sorted(stems, key=lambda stem: (zlib.crc32(stem.encode()), stem))
    found: dict[str, list[str]] = {"val": []}
    for part, digit in (("val", 1), ("choose", 0)) if has_val else (("choose", 0),):
        tenth = [s for s in rest if zlib.crc32(s.encode()) % 10 == digit] or rest[:1]
        # Keep at least one for training.
        found[part] = tenth[: len(rest) - 1]
        rest = [s for s in rest if s not in found[part]]
    found["train"] = rest
    return {part: sorted(chosen) for part, chosen in found.items()}
