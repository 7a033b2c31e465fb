"""YOLO segmentation: a text file an image, with a class number and an outline in each line.

Layout: folders images and labels, with or in train and val (or valid); class names in `data.yaml`
(`names`) or `classes.txt`, in ROOT. Coordinates are 0..1. An image without a text file is all
background, as in Ultralytics. `[names]` of labels.toml maps the names to classes.
"""

from __future__ import annotations

import re
from pathlib import Path

from lanes.datasets import _files, _pairs, _vector
from lanes.datasets._shapes import Area, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
YAML, TEXT = ("data.yaml", "data.yml", "dataset.yaml"), "classes.txt"
BOX = 4
"""Numbers in a line that has a box instead of an outline."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether `root` has a list of names, and text files in a folder of labels."""
    try:
        return bool(_names_file(root)) and any(
            next(labels.glob("*.txt"), None) for _, labels in _pairs.places(root).values()
        )
    except BadDataset:
        return False


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    file = _names_file(root)
    if file is None:
        raise BadDataset(f"{root} lacks {YAML[0]} or {TEXT}: one of them must list the names")
    names = _names(file)
    return {
        part: [
            Labelled(image, _shapes_of(labels / f"{stem}.txt", names), relative=True)
            for stem, image in _files.images_by_stem(images).items()
        ]
        for part, (images, labels) in _pairs.places(root).items()
    }


def _names_file(root: Path) -> Path | None:
    return next((root / n for n in (*YAML, TEXT) if (root / n).is_file()), None)


def _names(file: Path) -> dict[int, str]:
    """The names by class number: of the lines of classes.txt, or of `names` in YAML."""
    text = file.read_text(encoding="utf-8-sig")
    listed = text.splitlines() if file.name == TEXT else _of_yaml(text)
    numbered = [re.match(r"(\d+)\s*:\s*(.+)", line) for line in listed]
    if listed and all(numbered):
        found = {int(match[1]): match[2] for match in numbered if match}
    else:
        found = dict(enumerate(name for name in listed if name.strip()))
    if not found:
        raise BadDataset(f"{file} lists no names; wanted a line such as names: [road, lane line]")
    return {number: name.strip().strip("'\"") for number, name in found.items()}


def _of_yaml(text: str) -> list[str]:
    """The entries of `names`: `[a, b]`, `{0: a}`, or one in each line below."""
    match = re.search(r"^names\s*:[ \t]*(.*(?:\n(?:[ \t]*-|[ \t]+|\s*$).*)*)", text, re.MULTILINE)
    body = re.sub(r"(^|\s)#.*", "", match[1]).strip() if match else ""
    if body[:1] in ("[", "{"):
        closing = {"[": "]", "{": "}"}[body[0]]
        return [entry.strip() for entry in body[1 : body.index(closing)].split(",")]
    return [line.strip().removeprefix("-").strip() for line in body.splitlines() if line.strip()]


def _shapes_of(file: Path, names: dict[int, str]) -> tuple[Area, ...]:
    if not file.is_file():
        return ()
    found = []
    with _vector.parsing(file, "a YOLO label file"):
        for line in file.read_text(encoding="utf-8").splitlines():
            number, *numbers = line.split() or [""]
            if not number:
                continue
            if int(number) not in names:
                raise ValueError(f"class {number} has no name; there are {len(names)}")
            if len(numbers) == BOX:
                raise _vector.refused(file, "box", names[int(number)])
            found.append(Area(names[int(number)], (points_of([float(n) for n in numbers]),)))
    return tuple(found)
