"""COCO JSON: polygons and run-length masks of all images in one file a split.

Layout: `ROOT/annotations/instances_{train,val}*.json`, `ROOT/{train,valid}/_annotations.coco.json`
(Roboflow) or one JSON file in ROOT; images at `file_name` beside the file or in a folder images,
train, val, ... of ROOT. A ring inside another ring of the same object is a hole. An image without
annotations is all background. `[names]` of labels.toml maps the categories to classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lanes.datasets import _pairs, _shapes, _vector
from lanes.datasets._shapes import Area, Region, Shape, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset
from lanes.types import Size

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
KEYS = {"images", "annotations", "categories"}


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether a JSON file in `root` has COCO's keys."""
    return any(_files(root))


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    parts: dict[str, list[Labelled]] = {}
    for file, values in _files(root):
        part = _vector.part_named("/".join(file.relative_to(root).parts))
        with _vector.parsing(file, "a COCO file"):
            parts.setdefault(part, []).extend(_labelled(values, file, _folders(root, file)))
    if not parts:
        raise BadDataset(f"{root} holds no COCO file: wanted JSON with {', '.join(sorted(KEYS))}")
    return parts


def _files(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The COCO files in `root` or one folder down, with their values."""
    for file in _vector.files_in(root, "*.json", depth=1):
        try:
            values = _vector.read_json(file)
        except BadDataset:
            continue
        if isinstance(values, dict) and values.keys() >= KEYS:
            yield file, values


def _folders(root: Path, file: Path) -> list[Path]:
    """Where the images of a COCO file may be."""
    named = [path for path in sorted(root.iterdir()) if path.is_dir()]
    inner = [path for folder in named for path in _pairs.split_folders(folder).values()]
    return [file.parent, file.parent / "images", root, *named, *inner]


def _labelled(values: dict[str, Any], file: Path, folders: list[Path]) -> Iterator[Labelled]:
    names = {category["id"]: str(category["name"]) for category in values["categories"]}
    sizes = {image["id"]: _size(image) for image in values["images"]}
    if len(sizes) < len(values["images"]):
        raise ValueError("two of its images have the same id")
    shapes: dict[Any, list[Shape]] = {number: [] for number in sizes}
    for annotation in values["annotations"]:
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in sizes or category not in names:
            raise ValueError(
                f"an annotation has image_id {image!r} and category_id {category!r}, which its "
                "images and categories lack"
            )
        shapes[image].append(
            _shape(names[category], annotation.get("segmentation"), sizes[image], file)
        )
    for image in values["images"]:
        path = _vector.find_image(image["file_name"], folders, file)
        yield Labelled(path, tuple(shapes[image["id"]]), sizes[image["id"]])


def _size(image: dict[str, Any]) -> Size | None:
    """The size that the file states for an image; polygons need none."""
    height, width = image.get("height"), image.get("width")
    return (int(height), int(width)) if height and width else None


def _said(size: Size | None) -> str:
    return f"of {size[1]}x{size[0]}" if size else "has no height and width"


def _shape(name: str, segmentation: Any, size: Size | None, file: Path) -> Shape:
    if not segmentation:
        raise _vector.refused(file, "box", name)
    if isinstance(segmentation, list):
        return Area(name, tuple(points_of(ring) for ring in segmentation))
    counts, (height, width) = segmentation["counts"], segmentation["size"]
    if size != (height, width):
        raise ValueError(f"run lengths are of {width}x{height} pixels, their image {_said(size)}")
    counts = _shapes.coco_counts(counts) if isinstance(counts, str) else counts
    return Region(name, _shapes.run_lengths(counts, size, by_column=True))
