"""BDD100K drivable maps and lane marks (Yu et al. 2020, arXiv:1805.04687).

Layouts, also below ROOT/bdd100k:

- `ROOT/{train,val}/{images/*.jpg or .webp, drivable/*.png}`;
- official: `ROOT/images/{100k,10k}/{train,val}/*.jpg` with any of `labels/drivable/masks/SPLIT`,
  `drivable_maps/labels/SPLIT` (2018), `labels/drivable/polygons/*SPLIT*.json`,
  `labels/lane/masks/SPLIT`, `labels/lane/polygons/*SPLIT*.json`.

Both codings of the drivable maps are read; see `_bdd100k_labels`. Direct (the ego lane) and
alternative both count as drivable. The first eight characters of a file name identify the drive;
no drive is split between "train" and "choose".

Lane marks run on through gaps, so their pixels are lane line or implied line. They outline the
paint, so pixels within `NEAR` of one may be paint too; so may crossings and stop lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np

from lanes.datasets import _bdd100k_labels as labels
from lanes.datasets import _files, _lane_targets
from lanes.datasets._bdd100k_labels import Marks, Mask
from lanes.errors import BadDataset
from lanes.types import LabelMap, Measure, Sample, Size

TASK = "lanes"
# The official maps do not mark paint: a lane line may lie on drivable ground or next to it.
TARGETS = np.array([[1, 0, 1, 1], [0, 1, 1, 1]], bool)
MEASURES = {"drivable": Measure(targets=(1,), classes=(1, 2, 3))}
TERMS = (
    "BDD100K (c) Regents of the University of California: education, research and not-for-profit "
    "use only"
)
DRIVE = 8
"""Number of leading characters of a file name that identify the drive."""
NEAR = 8
"""Pixels around a lane mark, at picture width 1280, that may be paint."""
OPEN, SURE, LINE = 0, 3, 6
"""First rows of `LANE_TARGETS` for pixels that may be paint, that are no line, and of lines."""
GROUND = 3
"""Rows of each kind: the ground is not drivable, drivable, or unknown."""
LANE_TARGETS = np.array(
    [
        *([1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]),
        *([1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]),
        *([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]),
    ],
    bool,
)
Reader: TypeAlias = Callable[[str, Size], Mask]
MarksReader: TypeAlias = Callable[[str, Size], Marks]


class Truth(NamedTuple):
    """How to read a split's labels, by the image's stem."""

    drivable: Reader | None
    lanes: MarksReader | None


class Bdd100k:
    """Frames of one split; see `lanes.types.Dataset`. `groups` are the drives of the frames."""

    TASK = TASK
    MEASURES: Mapping[str, Measure]

    def __init__(self, images: list[Path], truth: Truth, teachers: Path | None = None) -> None:
        """Use `images` with their `truth`; `teachers`: a cache that fills in the other classes."""
        self.images, self.truth, self.teachers = images, truth, teachers
        self.groups = [drive_of(path.stem) for path in images]
        if teachers:  # no figures: the table has other rows than the truth
            self.TARGETS, self.MEASURES = _lane_targets.TARGETS, {}
        elif truth.lanes:
            self.TARGETS, self.MEASURES = LANE_TARGETS, _lane_measures(truth)
        else:
            self.TARGETS, self.MEASURES = TARGETS, MEASURES

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        path = self.images[index]
        image = _files.read_image(path)
        size = (image.shape[0], image.shape[1])
        drivable = self.truth.drivable(path.stem, size) if self.truth.drivable else None
        if self.teachers and drivable is not None:
            taught = _lane_targets.read(self.teachers, "bdd100k", path.stem, size)
            ground = _lane_targets.truth(drivable)
            return Sample(image, _lane_targets.targets_of(taught.paint, taught.line, ground))
        if self.truth.lanes:
            return Sample(image, lane_targets(self.truth.lanes(path.stem, size), drivable))
        return Sample(image, np.asarray(drivable).astype(np.uint8))

    def frames_by_stem(self) -> dict[str, Path]:
        """The image files by their names in the teachers' cache."""
        return {path.stem: path for path in self.images}


def open(root: str | Path, split: str, teachers: str | Path | None = None) -> Bdd100k:
    """Open `split`: "train", "choose" (a fixed tenth of train, by drive) or "val".

    `teachers` is a cache written by lanes teach: samples then hold more targets, but no measures.

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder is missing, holds no image of this split, or the coding is in doubt.
    """
    _files.check_split(split)
    root = _inner(_files.folder(Path(root), "BDD100K frames"))
    part = "val" if split == "val" else "train"
    folder = _images(root, part)
    images = _files.images_by_stem(_files.folder(folder, "BDD100K images"))
    stems = _files.choose_split(list(images), split, folder, drive_of)
    truth = Truth(_drivable(root, part), _lanes(root, part))
    if not truth.drivable and not truth.lanes:
        raise BadDataset(f"{root} holds no drivable or lane labels of {part}; see its layouts")
    chosen = [images[stem] for stem in stems]
    return Bdd100k(chosen, truth, Path(teachers) if teachers else None)


def looks_like(root: Path) -> bool:
    """Whether `root` has images and labels where BDD100K has them."""
    root = _inner(root)
    return any(
        _images(root, part).is_dir() and any(_label_places(root, part)) for part in ("train", "val")
    )


def drive_of(stem: str) -> str:
    """The drive of a frame: the first eight characters of its name."""
    return stem[:DRIVE]


def lane_targets(marks: Marks, drivable: Mask | None) -> LabelMap:
    """Rows of `LANE_TARGETS` (H, W) of lane marks and, where known, drivable ground."""
    ground = np.full(marks.line.shape, GROUND - 1, np.uint8) if drivable is None else drivable * 1
    width = 2 * max(round(NEAR * marks.line.shape[1] / 1280), 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    near = np.asarray(cv2.dilate((marks.line | marks.other).astype(np.uint8), disc)) > 0
    return np.asarray(ground + np.where(marks.line, LINE, np.where(near, OPEN, SURE)), np.uint8)


def _lane_measures(truth: Truth) -> dict[str, Measure]:
    rows = (OPEN + 1, SURE + 1, LINE + 1)
    drivable = {"drivable": Measure(rows, (1, 2, 3))} if truth.drivable else {}
    lines = tuple(range(LINE, LINE + GROUND))
    return {**drivable, "line": Measure(lines, (2, 3), lines=True)}


def _inner(root: Path) -> Path:
    """The folder with the images: the downloads unpack into bdd100k."""
    return root / "bdd100k" if (root / "bdd100k").is_dir() else root


def _images(root: Path, part: str) -> Path:
    listed = [root / "images" / kind / part for kind in ("100k", "10k")]
    return next((folder for folder in listed if folder.is_dir()), root / part / "images")


def _label_places(root: Path, part: str) -> list[Path]:
    """The folders and files of labels of a part that there are."""
    places = [*_mask_places(root, part), _lane_folder(root, part)]
    found = [place for place in places if place.is_dir()]
    return found + [file for kind in ("drivable", "lane") for file in _polygons(root, kind, part)]


def _mask_places(root: Path, part: str) -> tuple[Path, ...]:
    return (
        root / part / "drivable",
        root / "labels" / "drivable" / "masks" / part,
        root / "drivable_maps" / "labels" / part,
    )


def _lane_folder(root: Path, part: str) -> Path:
    return root / "labels" / "lane" / "masks" / part


def _polygons(root: Path, kind: str, part: str) -> list[Path]:
    return sorted((root / "labels" / kind / "polygons").glob(f"*{part}*.json"))


def _drivable(root: Path, part: str) -> Reader | None:
    folder = next((place for place in _mask_places(root, part) if place.is_dir()), None)
    if folder:
        files = sorted(folder.glob("*.png"))
        names = {file.stem.removesuffix("_drivable_id"): file for file in files}
        background = labels.background_of(root, files)
        return partial(_masked, names, folder, background)
    if polygons := _polygons(root, "drivable", part):
        return partial(_drawn_drivable, labels.read_frames(polygons[0]), polygons[0])
    return None


def _lanes(root: Path, part: str) -> MarksReader | None:
    folder = _lane_folder(root, part)
    if folder.is_dir():
        return partial(_masked_lanes, folder)
    if polygons := _polygons(root, "lane", part):
        return partial(_drawn_lanes, labels.read_frames(polygons[0]), polygons[0])
    return None


def _masked(
    files: Mapping[str, Path], folder: Path, background: int, stem: str, size: Size
) -> Mask:
    return labels.read_drivable(files.get(stem, folder / f"{stem}.png"), size, background)


def _masked_lanes(folder: Path, stem: str, size: Size) -> Marks:
    return labels.read_lanes(folder / f"{stem}.png", size)


def _drawn_drivable(frames: Mapping[str, list[object]], file: Path, stem: str, size: Size) -> Mask:
    return labels.drawn_drivable(frames.get(stem, []), file, size)


def _drawn_lanes(frames: Mapping[str, list[object]], file: Path, stem: str, size: Size) -> Marks:
    return labels.drawn_lanes(frames.get(stem, []), file, size)
