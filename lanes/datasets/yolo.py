"""YOLO segmentation: a text file an image, with a class number and an outline in each line.

Layout: folders images and labels, with or in train and val (or valid); class names in `data.yaml`
(`names`) or `classes.txt`, in ROOT. Coordinates are 0..1. An image without a text file is all
background, as in Ultralytics. `[names]` of labels.toml maps the names to classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
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
BEYOND = 2
"""Outlines may leave the picture, but not by more than its size."""
ENTRY = r"""(?:\d+\s*:\s*)?(?:'[^']*'|"[^"]*"|[^,'"\s][^,]*)"""
"""A name of a YAML list in one line, or a number and a name."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether `root` has a list of names, and text files in a folder of labels."""
    try:
        return bool(_names_file(root)) and any(
            next(_texts(labels), None) for _, labels in _pairs.places(root).values()
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
        part: list(_labelled(images, labels, names))
        for part, (images, labels) in _pairs.places(root).items()
    }


def _labelled(images: Path, labels: Path, names: dict[int, str]) -> Iterator[Labelled]:
    files = {_files.plain_stem(path): path for path in _texts(labels)}
    for stem, image in _files.images_by_stem(images).items():
        shapes = _shapes_of(files[stem], names) if stem in files else ()
        yield Labelled(image, shapes, relative=True)


def _texts(labels: Path) -> Iterator[Path]:
    return (path for path in labels.iterdir() if path.suffix.lower() == ".txt")


def _names_file(root: Path) -> Path | None:
    return next((root / n for n in (*YAML, TEXT) if (root / n).is_file()), None)


def _names(file: Path) -> dict[int, str]:
    """The names by class number: of the lines of classes.txt, or of `names` in YAML."""
    text = _files.read_text(file)
    with _vector.parsing(file, "a list of names"):
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
    begin = re.search(r"^names\s*:", text, re.MULTILINE)
    body = re.sub(r"(^|\s)#.*", "", text[begin.end() :]).strip() if begin else ""
    if body[:1] in ("[", "{"):
        closing = {"[": "]", "{": "}"}[body[0]]
        if closing not in body:
            raise ValueError(f"names lacks its {closing}")
        return [entry.strip() for entry in re.findall(ENTRY, body[1 : body.index(closing)])]
    lines = body.splitlines() if begin else []
    below = list(takewhile(lambda line: not line or line[0] in " \t-", ["-", *lines[1:]]))
    below[0] = lines[0] if lines else ""
    return [line.strip().removeprefix("-").strip() for line in below if line.strip()]


def _shapes_of(file: Path, names: dict[int, str]) -> tuple[Area, ...]:
    lines = _files.read_text(file).splitlines()
    with _vector.parsing(file, "a YOLO label file"):
        return tuple(_area(line, names, file) for line in lines if line.strip())


def _area(line: str, names: dict[int, str], file: Path) -> Area:
    try:
        number, *numbers = (float(word) for word in line.split())
    except ValueError as error:
        raise ValueError(f"{line[:40]!r}; wanted a class number and x y x y ... of 0..1") from error
    if number not in names:
        raise ValueError(f"class {number:g} has no name; there are {len(names)}")
    name = names[int(number)]
    if len(numbers) == BOX:
        raise _vector.refused(file, "box", name)
    points = points_of(numbers)
    if (abs(points) > BEYOND).any():
        raise ValueError(f"the coordinate {abs(points).max():g} is in pixels; wanted 0..1")
    return Area(name, (points,))
