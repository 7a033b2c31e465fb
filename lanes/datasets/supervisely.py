"""Supervisely projects: polygons, lines and bitmaps, one JSON file an image.

Layout: `ROOT/meta.json` and `ROOT/DATASET/{img,ann}`, with ann/NAME.jpg.json for img/NAME.jpg; data
sets named train, val or test are splits. `[names]` of labels.toml maps the classes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lanes.datasets import _shapes, _vector
from lanes.datasets._files import IMAGE_SUFFIXES
from lanes.datasets._shapes import Area, Line, Region, Shape, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
LARGEST = 2**27
"""Bytes of a bitmap's PNG that are read; no more fit into one with the size of a picture."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether `root` has meta.json and folders ann."""
    return (root / "meta.json").is_file() and any(_files(root))


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    parts: dict[str, list[Labelled]] = {}
    for file in _files(root):
        parts.setdefault(_vector.part_named(file.parents[1].name), []).append(_labelled(file))
    if not parts:
        raise BadDataset(f"{root} holds no DATASET/ann/*.json: wanted a Supervisely project")
    return parts


def _files(root: Path) -> Iterator[Path]:
    return (file for file in _vector.files_in(root, "*.json", 3) if file.parent.name == "ann")


def _labelled(file: Path) -> Labelled:
    values = _vector.read_json(file)
    with _vector.parsing(file, "a Supervisely annotation"):
        size = (int(values["size"]["height"]), int(values["size"]["width"]))
        shapes = tuple(_shape(one, file) for one in values["objects"])
        return Labelled(_image(file), shapes, size)


def _image(file: Path) -> Path:
    """The image of NAME.jpg.json, or of NAME.json in older exports."""
    folder = file.parents[1] / "img"
    older = (folder / f"{file.stem}{suffix}" for suffix in IMAGE_SUFFIXES)
    found = next((path for path in older if path.is_file()), None)
    return found or _vector.find_image(file.stem, [folder], file)


def _shape(one: dict[str, Any], file: Path) -> Shape:
    name, kind = str(one["classTitle"]), one["geometryType"]
    if kind not in KINDS:
        raise _vector.refused(file, kind, name)
    return KINDS[kind](name, one)


def _polygon(name: str, one: dict[str, Any]) -> Shape:
    rings = [one["points"]["exterior"], *one["points"]["interior"]]
    return Area(name, tuple(points_of(ring) for ring in rings))


def _line(name: str, one: dict[str, Any]) -> Shape:
    return Line(name, points_of(one["points"]["exterior"]))


def _rectangle(name: str, one: dict[str, Any]) -> Shape:
    (left, top), (right, bottom) = points_of(one["points"]["exterior"])
    return Area(name, (_shapes.box(left, top, right, bottom),))


def _bitmap(name: str, one: dict[str, Any]) -> Shape:
    left, top = (int(number) for number in one["bitmap"]["origin"])
    return Region(name, _shapes.bitmap(one["bitmap"]["data"], _inflate), left, top)


def _inflate(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, LARGEST)
    except zlib.error as error:
        raise ValueError(f"a bitmap is damaged: {error}") from error


KINDS: Mapping[str, Callable[[str, dict[str, Any]], Shape]] = {
    "polygon": _polygon,
    "line": _line,
    "polyline": _line,
    "rectangle": _rectangle,
    "bitmap": _bitmap,
}
"""By `geometryType`."""
