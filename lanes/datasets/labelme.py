"""LabelMe JSON: a file beside each image, with polygons, lines and masks.

Layout: `ROOT/*.json` or `ROOT/{train,val}/*.json` (at most three folders deep). The image is at
`imagePath`, relative to the JSON file, or has its stem, beside it or in a folder images. Images
without a JSON file are not labelled and left out. `[names]` of labels.toml maps the labels to
classes where their names differ (see `image_folder`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lanes.datasets import _files, _shapes, _vector
from lanes.datasets._shapes import Area, Line, Region, Shape, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
FIRST = 5
"""The number of files that are looked at to know the format."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether one of the first JSON files in `root` is LabelMe's."""
    return any(map(_is_labelme, islice(_vector.files_in(root, "*.json"), FIRST)))


def _is_labelme(file: Path) -> bool:
    try:
        return _has_keys(_vector.read_json(file))
    except BadDataset:
        return False


def _has_keys(values: Any) -> bool:
    return isinstance(values, dict) and bool({"shapes", "imagePath"} & values.keys())


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    parts: dict[str, list[Labelled]] = {}
    for file in _vector.files_in(root, "*.json"):
        values = _vector.read_json(file)
        if _has_keys(values):  # other JSON files are of other programs
            part = _vector.part_named("/".join(file.relative_to(root).parts[:-1]))
            parts.setdefault(part, []).append(_labelled(values, file))
    if not parts:
        raise BadDataset(f"{root} holds no JSON file of LabelMe; wanted one for each image")
    return parts


def _labelled(values: dict[str, Any], file: Path) -> Labelled:
    with _vector.parsing(file, "a LabelMe file"):
        shapes = tuple(_shape(shape, file) for shape in values["shapes"])
        height, width = values.get("imageHeight"), values.get("imageWidth")
        size = (int(height), int(width)) if height and width else None
        return Labelled(_image(values["imagePath"], file), shapes, size)


def _image(name: str, file: Path) -> Path:
    folders = [file.parent, file.parent / "images", file.parent.parent / "images"]
    for folder in folders:
        for suffix in (Path(name).suffix, *_files.IMAGE_SUFFIXES):
            if (path := folder / f"{file.stem}{suffix}").is_file():
                return path
    return _vector.find_image(name, folders, file)


def _shape(shape: dict[str, Any], file: Path) -> Shape:
    name, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
    if kind not in KINDS:
        raise _vector.refused(file, kind, name)
    return KINDS[kind](name, shape)


def _polygon(name: str, shape: dict[str, Any]) -> Shape:
    return Area(name, (points_of(shape["points"]),))


def _rectangle(name: str, shape: dict[str, Any]) -> Shape:
    points = points_of(shape["points"])  # two opposite corners, or all four
    return Area(name, (_shapes.box(*points.min(0), *points.max(0)),))


def _circle(name: str, shape: dict[str, Any]) -> Shape:
    centre, edge = points_of(shape["points"])
    radius = float(np.hypot(*(edge - centre)))
    return Area(name, (_shapes.ellipse(centre[0], centre[1], radius, radius),))


def _line(name: str, shape: dict[str, Any]) -> Shape:
    return Line(name, points_of(shape["points"]))


def _mask(name: str, shape: dict[str, Any]) -> Shape:
    left, top = points_of(shape["points"])[0].round().astype(int).tolist()
    return Region(name, _shapes.bitmap(shape["mask"]), left, top)


KINDS: Mapping[str, Callable[[str, dict[str, Any]], Shape]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "line": _line,
    "linestrip": _line,
    "mask": _mask,
}
"""By `shape_type`."""
