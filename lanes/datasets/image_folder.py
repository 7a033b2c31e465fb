"""The user's own images and masks, by folder.

Layout: `ROOT/{train,val}/{images,labels}`, `ROOT/{images,labels}/{train,val}` or
`ROOT/{images,labels}`, where a fixed tenth by the hash of the file name is "val" and another is
"choose" (use split folders to keep frames of one drive in one split). Other common names of folders
and masks count too: see `_pairs`. A mask has its image's size. It is a PNG (or BMP, TIFF; of a
palette the indices count) whose values are the class ids of the task lanes, 255 = unknown, unless a
legend of the labelling tool (`_legends`) or `ROOT/labels.toml` says otherwise:

    task = "lanes"
    [ids]                               # or [colours] with keys such as "#ff0000",
    0 = ["background", "drivable"]      # or [names] with those of the legend; here: either one
    128 = "lane line"
    255 = "unknown"

Masks of 0 and 255 alone need such a file, which says what class 255 is, unless there are only two.
`ROOT/classes.toml` defines classes of one's own: see `_rules`.

`TASK` and `TARGETS` below apply to a folder without labels.toml. Training and evaluation read the
attributes of the opened data set instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lanes.datasets import _files, _label_table, _pairs, _rules
from lanes.datasets._label_table import LabelTable
from lanes.errors import BadDataset
from lanes.types import IGNORE, Measure, Sample

TASK = _rules.DEFAULT_TASK
TARGETS = np.vstack([np.eye(4, dtype=bool), np.ones((1, 4), bool)])
MEASURES: Mapping[str, Measure] = {
    "drivable": Measure(targets=(1, 2, 3), classes=(1, 2, 3)),
    "lane line": Measure(targets=(2,), classes=(2,), lines=True),
    "line": Measure(targets=(2, 3), classes=(2, 3), lines=True),
}
TERMS = "the user's own images"
COLOURS = -1
"""Stands for the values of a mask of colours."""


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
        size = (image.shape[0], image.shape[1])
        mask = _files.read_map(mask_file, size, self.table.coloured)
        return Sample(image, self.table.convert(mask, mask_file))


def open(root: str | Path, split: str) -> ImageFolder:
    """Open `split`: "train", "choose" (a fixed tenth, for choosing checkpoints) or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder or mask is missing, a split is empty, labels.toml is wrong, or the
            masks hold only 0 and 255 and nothing says which class 255 is.
    """
    _files.check_split(split)
    root = _files.folder(Path(root), "images and labels")
    table = _label_table.read(root, judges=split != "train")
    pairs = _pairs.of_split(root, split)
    if table.by_default and _is_binary([mask for _, mask in pairs]):
        table = _label_table.of_binary(root, judges=split != "train")
    return ImageFolder(pairs, table)


def looks_like(root: Path) -> bool:
    """Whether `root` holds images with masks."""
    try:
        return any(
            _pairs.masks_of(*sides, _pairs.images_of(*sides))
            for sides in _pairs.places(root).values()
        )
    except BadDataset:
        return False


def _is_binary(masks: list[Path]) -> bool:
    """Whether masks hold only 0 and 255: as ids they would be background and unknown."""
    seen: set[int] = set()
    for file in masks:
        seen |= _values(file)
        if seen - {0, IGNORE}:
            return False
    return IGNORE in seen


def _values(file: Path) -> set[int]:
    """The ids in a mask; none of them for a mask of colours."""
    mask = _files.read_stored(file)
    return set(np.flatnonzero(np.bincount(mask.ravel())).tolist()) if mask.ndim == 2 else {COLOURS}
