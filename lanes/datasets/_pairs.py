"""Find images and their masks in the layouts that people and labelling tools write.

Split folders (train, val or valid, test) may contain the folders of images and masks, be contained
in them, or hold images with masks in train_labels beside them; or there are none. Images and masks
may share a folder if the masks have a suffix such as `_mask`. Names of folders and suffixes are
matched without regard to case.
"""

from __future__ import annotations

import csv
import unicodedata
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from lanes.datasets import _files
from lanes.errors import BadDataset

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "leftimg8bit", "rgb", "photos", "frames")
MASKS = (
    *("labels", "label", "masks", "mask", "segmentationclass", "annotations", "annotation"),
    *("gt", "groundtruth", "ground_truth", "segmentation", "targets"),
)
SPLITS = {
    **{"train": "train", "training": "train", "val": "val", "valid": "val"},
    **{"validation": "val", "test": "test", "testing": "test"},
}
SUFFIXES = (
    *("_mask", "-mask", "_masks", "_label", "-label", "_labels", "-labels", "_gt", "_seg"),
    *("_all_objects", "_l", "_labelids", "_color_mask"),
)
"""What a mask's stem may add to its image's."""
Pair: TypeAlias = tuple[Path, Path]
"""An image file and its mask file."""
SPLITS_FILE, COLUMNS = "splits.csv", ("image", "split")
"""Divides a root without split folders: a stem and its split in each row (lanes data split)."""
WHOLE = ""
"""The part of a root without split folders."""


def split_folders(folder: Path) -> dict[str, Path]:
    """The split folders in `folder` by part: "train", "val", "test"."""
    return {SPLITS[p.name.lower()]: p for p in _folders(folder) if p.name.lower() in SPLITS}


def places(root: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of images and of masks for each part; `WHOLE` without split folders.

    Raises:
        BadDataset: there is no such folder.
    """
    if splits := split_folders(root):
        return {part: _beside(folder) or _sides(folder) for part, folder in splits.items()}
    images, masks = _sides(root)
    inner = split_folders(images)
    if not inner:
        return {WHOLE: (images, masks)}
    others = split_folders(masks)
    return {part: (folder, others[part]) for part, folder in inner.items() if part in others}


def of_split(root: Path, split: str) -> list[Pair]:
    """The pairs of `split`: "train", "choose" or "val".

    Raises:
        BadDataset: a folder or a mask is missing, or the split is empty.
    """
    where = places(root)
    part = part_of(where, split, root)
    images = images_of(*where[part])
    stems = divided(list(images), split, part, where, root)
    masks = masks_of(*where[part], images)
    missing = [stem for stem in stems if stem not in masks]
    if missing:
        first = images[missing[0]]
        raise BadDataset(
            f"{_expected(where[part], first)} is missing ({len(missing)} of {len(stems)} images "
            f"have no mask): add it, or remove {first.name}"
        )
    return [(images[stem], masks[stem]) for stem in stems]


def images_of(images: Path, masks: Path) -> dict[str, Path]:
    """The image files by stem, without the masks if both share a folder."""
    found = _files.images_by_stem(images)
    if images != masks:
        return found
    return {stem: file for stem, file in found.items() if _base(stem) not in found}


def masks_of(images: Path, masks: Path, stems: Iterable[str]) -> dict[str, Path]:
    """The mask files by their image's stem."""
    found = _files.images_by_stem(masks)
    wanted = set(stems)
    by_base = {base: file for stem, file in found.items() if (base := _base(stem)) in wanted}
    same = {} if images == masks else found
    return {stem: file for stem, file in {**by_base, **same}.items() if stem in wanted}


def part_of(parts: Iterable[str], split: str, where: Path) -> str:
    """The part that `split` is taken from; without a part "val", "test" takes its place.

    Raises:
        UnknownName: there is no such split.
        BadDataset: `parts` lacks it.
    """
    _files.check_split(split)
    wanted = ("val", "test", WHOLE, "train") if split == "val" else (WHOLE, "train")
    for part in wanted:
        if part in parts:
            return part
    raise BadDataset(f"no folder {where / wanted[-1]}: wanted the {split} images in it")


def divided(stems: list[str], split: str, part: str, parts: Iterable[str], root: Path) -> list[str]:
    """The stems of `split` among those of its `part`: all of "val" or "test", else by hash.

    "choose" is a fixed tenth; so is "val" if `parts` has no "val" or "test". `ROOT/splits.csv`
    divides a root without split folders instead. Raises `BadDataset` if the split is empty.
    """
    if part == WHOLE and (root / SPLITS_FILE).is_file():
        return _listed(root / SPLITS_FILE, stems, split)
    has_val = bool({"val", "test"} & set(parts))
    whole = part in ("val", "test")
    chosen = sorted(stems) if whole else shares_of(stems, not has_val)[split]
    if not chosen:
        raise BadDataset(
            f"split {split!r} of {root} holds no image: it has {len(stems)}, wanted at least "
            f"{1 if whole else 2 if has_val else 3}"
        )
    return chosen


def _listed(file: Path, stems: list[str], split: str) -> list[str]:
    """The stems that `file` assigns to `split`."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(row[COLUMNS[0]], row[COLUMNS[1]]) for row in csv.DictReader(stream)]
        splits = {unicodedata.normalize("NFC", stem): split for stem, split in rows}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        wanted = f"wanted the columns {' and '.join(COLUMNS)}; run lanes data split again"
        raise BadDataset(f"{file} cannot be read ({error!r}): {wanted}") from error
    if missing := [stem for stem in stems if stem not in splits]:
        raise BadDataset(
            f"{file} lacks {missing[0]} ({len(missing)} of {len(stems)} images are not in it): run "
            "lanes data split again"
        )
    chosen = sorted(stem for stem in stems if splits[stem] == split)
    if not chosen:
        raise BadDataset(f"{file} assigns no image to {split!r}: run lanes data split again")
    return chosen


def shares_of(stems: Iterable[str], with_val: bool) -> dict[str, list[str]]:
    """Divide by hash of the name: a tenth "choose", a tenth "val" if `with_val`, the rest "train".

    In a folder too small for a tenth, a part gets the image with the lowest hash.
    """
    rest = sorted(stems, key=lambda stem: (zlib.crc32(stem.encode()), stem))
    found: dict[str, list[str]] = {"val": []}
    for part, digit in (("val", 1), ("choose", 0)) if with_val else (("choose", 0),):
        tenth = [s for s in rest if zlib.crc32(s.encode()) % 10 == digit] or rest[:1]
        # Keep at least one for training.
        found[part] = tenth[: len(rest) - 1]
        rest = [s for s in rest if s not in found[part]]
    found["train"] = rest
    return {part: sorted(chosen) for part, chosen in found.items()}


def _sides(folder: Path) -> tuple[Path, Path]:
    """The folders of images and masks in `folder`, which may hold both itself."""
    named = {p.name.lower(): p for p in _folders(folder)}
    images = next((named[n] for n in IMAGES if n in named), None)
    masks = next((named[n] for n in MASKS if n in named), None)
    if images and masks:
        return images, masks
    if not images and not masks and any(map(_base, _files.images_by_stem(folder))):
        return folder, folder
    raise BadDataset(
        f"no folder {folder / 'images' if masks else folder / 'labels'}: wanted "
        f"{folder}/images and {folder}/labels, each mask named as its image "
        f"(or NAME{SUFFIXES[0]}.png beside NAME.jpg); it holds {_contents(folder)}"
    )


def _beside(images: Path) -> tuple[Path, Path] | None:
    """A folder of images with its masks in a folder beside it: train and train_labels."""
    names = [f"{images.name}{suffix}" for suffix in ("_labels", "_masks", "labels", "masks")]
    masks = next((images.with_name(n) for n in names if images.with_name(n).is_dir()), None)
    return (images, masks) if masks else None


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _contents(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir())
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "nothing"


def _base(stem: str) -> str:
    """A mask's stem without its suffix; empty if it has none."""
    for suffix in SUFFIXES:
        if stem.lower().endswith(suffix) and len(stem) > len(suffix):
            return stem[: -len(suffix)]
    return ""


def _expected(where: tuple[Path, Path], image: Path) -> Path:
    """The place where the mask of `image` is expected."""
    masks = where[1]
    suffix = SUFFIXES[0] if masks == image.parent else ""
    return masks / f"{image.stem}{suffix}.png"
