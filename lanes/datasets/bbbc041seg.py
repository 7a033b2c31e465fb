"""Blood smears with every cell outlined: BBBC041v1 (malaria) with the masks of Depto et al. 2021.

Layout: `ROOT/images/STEM.png` (or .jpg), `ROOT/instances/STEM.png` (uint16, the cell's id in each
pixel, 0 = background) and `ROOT/index.csv`, whose columns `stem` and `split_hanyinglee` assign
images to splits: "train" (80 images), "val" (10; "choose" is the same) and "test" (10), which is
reported.

The masks leave a gap of about two pixels between touching cells. The target there is border, also
for the cells' own pixels next to the gap: every pixel with two cells at most two pixels away. The
measure "cell" counts predicted border as cell, so the gap counts as an error.
"""

from __future__ import annotations

import csv
from pathlib import Path

from lanes.datasets import _cells, _files
from lanes.errors import BadDataset, UnknownName
from lanes.plugins import unknown
from lanes.types import Image, Sample

TASK = "cell_count"
TARGETS, MEASURES = _cells.TARGETS, _cells.MEASURES
TERMS = (
    "bbbc041seg: images BBBC041v1 (Broad Bioimage Benchmark Collection), CC BY-NC-SA 3.0: "
    "not for commercial use; masks (Depto et al. 2021) MIT"
)
SPLITS = {"train": "train", "choose": "val", "val": "val", "test": "test"}
"""The value of `COLUMN` for each split."""
INDEX, STEM, COLUMN = "index.csv", "stem", "split_hanyinglee"


class Bbbc041Seg(_files.Pairs):
    """Smears of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        instances = _files.read_instances(label_file, (image.shape[0], image.shape[1]))
        return Sample(image, _cells.targets_of(instances), instances=instances)


def open(root: str | Path, split: str) -> Bbbc041Seg:
    """Open `split`: "train", "choose", "val" (the same ten images as "choose") or "test".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, the index or an image is missing, or the split is empty.
    """
    if split not in SPLITS:
        raise UnknownName(unknown("split", split, list(SPLITS)))
    root = _files.folder(Path(root), "the smears")
    images = _files.images_by_stem(_files.folder(root / "images", "the images"))
    instances = _files.folder(root / "instances", "the instance maps")
    stems = [row[STEM] for row in _index(root / INDEX) if row[COLUMN] == SPLITS[split]]
    if not stems:
        raise BadDataset(f"{root / INDEX}: no row has {SPLITS[split]!r} in its column {COLUMN}")
    for stem in stems:
        if stem not in images:
            raise BadDataset(f"{root / 'images'} lacks {stem}.png, which {INDEX} lists: add it")
    return Bbbc041Seg([(images[stem], instances / f"{stem}.png") for stem in sorted(stems)])


def _index(path: Path) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(_files.read_text(path).splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise BadDataset(
            f"{path} cannot be read ({error}): it must assign the images to splits"
        ) from error
    if not rows or not {STEM, COLUMN} <= rows[0].keys():
        raise BadDataset(f"{path} lacks rows with the columns {STEM} and {COLUMN}: add them")
    return rows
