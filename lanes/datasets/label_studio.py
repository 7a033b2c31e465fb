"""Label Studio JSON: tasks with polygons, brush masks and rectangles, in percent of the picture.

Layout: one JSON file in ROOT (the export "JSON", not "JSON-MIN") and the images in ROOT or
ROOT/images, with or without the prefix that the upload gave them. Of several annotations of a task
the first counts; tasks without one are left out. `[names]` of labels.toml maps the labels to
classes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np

from lanes.datasets import _shapes, _vector
from lanes.datasets._shapes import Area, Line, Region, Shape, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset
from lanes.types import Size

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
PREFIX = re.compile(r"[0-9a-f]{8}-")
"""What an upload puts before a file's name."""
OF_WHOLE = ("choices", "relation", "textarea", "rating", "number", "taxonomy", "datetime")
"""Results that label no pixels."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether a JSON file in `root` is a list of tasks."""
    return any(_files(root))


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    parts: dict[str, list[Labelled]] = {}
    for file, tasks in _files(root):
        part = _vector.part_named("/".join(file.relative_to(root).parts))
        with _vector.parsing(file, "an export of Label Studio"):
            found = [_labelled(task, file, root) for task in tasks]
        parts.setdefault(part, []).extend(labelled for labelled in found if labelled)
    if not any(parts.values()):
        raise BadDataset(f"{root} holds no annotated task: wanted Label Studio's export JSON")
    return parts


def _files(root: Path) -> Iterator[tuple[Path, list[Any]]]:
    for file in _vector.files_in(root, "*.json", depth=1):
        try:
            tasks = _vector.read_json(file)
        except BadDataset:
            continue
        first = tasks[0] if isinstance(tasks, list) and tasks else None
        if isinstance(first, dict) and ({"data", "annotations"} <= first.keys() or _is_min(first)):
            yield file, tasks


def _is_min(task: dict[str, Any]) -> bool:
    """Whether a task is of the export JSON-MIN, whose regions stand beside the task's data."""
    lists = [value for value in task.values() if isinstance(value, list) and value]
    return any(isinstance(v[0], dict) and "original_width" in v[0] for v in lists)


def _labelled(task: dict[str, Any], file: Path, root: Path) -> Labelled | None:
    if _is_min(task):
        raise BadDataset(f'{file} is the export "JSON-MIN", wanted "JSON": export it again')
    annotations = [a for a in task["annotations"] if not a.get("was_cancelled")]
    if not annotations:
        return None
    results = [r for r in annotations[0]["result"] if r["type"] not in OF_WHOLE]
    shapes = [_shape(result, file) for result in results]
    size = (results[0]["original_height"], results[0]["original_width"]) if results else None
    return Labelled(_image(task["data"], file, root), tuple(shapes), size)


def _image(data: dict[str, Any], file: Path, root: Path) -> Path:
    address = next((v for v in data.values() if isinstance(v, str) and "." in v), None)
    if address is None:
        raise ValueError("a task names no image")
    # A file of a local storage is named in the query: /data/local-files/?d=folder/name.jpg.
    name = unquote(urlparse(address).query.partition("d=")[2] or urlparse(address).path)
    folders = [root, root / "images", file.parent, file.parent / "images"]
    bare = PREFIX.sub("", name.rpartition("/")[2], count=1)
    listed = [folder / bare for folder in folders]
    return next((p for p in listed if p.is_file()), None) or _vector.find_image(name, folders, file)


def _shape(result: dict[str, Any], file: Path) -> Shape:
    kind, value = result["type"], result["value"]
    if kind not in KINDS:
        raise ValueError(f"a region has the type {kind!r}; wanted {', '.join(KINDS)}")
    if not value.get(kind):
        raise ValueError("a region has no label")
    if result.get("image_rotation"):
        raise ValueError("a picture was turned in Label Studio; turn the file itself")
    name = str(value[kind][0])
    return KINDS[kind](name, value, (result["original_height"], result["original_width"]))


def _polygon(name: str, value: dict[str, Any], size: Size) -> Shape:
    points = points_of(value["points"]) * (size[1] / 100, size[0] / 100)
    return Area(name, (points,)) if value.get("closed", True) else Line(name, points)


def _rectangle(name: str, value: dict[str, Any], size: Size) -> Shape:
    width, height = (value[k] / 100 * s for k, s in (("width", size[1]), ("height", size[0])))
    x, y = value["x"] / 100 * size[1], value["y"] / 100 * size[0]
    corners = _shapes.box(x, y, x + width, y + height)
    return Area(name, (_shapes.turned(corners, value.get("rotation", 0), (x, y)),))


def _ellipse(name: str, value: dict[str, Any], size: Size) -> Shape:
    x, across = (value[k] / 100 * size[1] for k in ("x", "radiusX"))
    y, down = (value[k] / 100 * size[0] for k in ("y", "radiusY"))
    points = _shapes.ellipse(x, y, across, down)
    return Area(name, (_shapes.turned(points, value.get("rotation", 0), (x, y)),))


def _brush(name: str, value: dict[str, Any], size: Size) -> Shape:
    rle = value["rle"]
    content = base64.b64decode(rle) if isinstance(rle, str) else bytes(rle)
    pixels = _of_bits(content, size[0] * size[1] * 4).reshape(*size, 4)
    return Region(name, pixels[..., 3] > 0)


def _of_bits(content: Sequence[int], wanted: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The `wanted` values of Label Studio's bit stream (`@thi.ng/rle-pack`).

    A header gives the count (32 bits), the bits of a value (5) and four sizes of run lengths (4
    each); then each run has a flag, the choice of its size (2), its length, and one value if the
    flag is set, else as many values as it is long. Raises `ValueError`.
    """
    bits = "".join(f"{byte:08b}" for byte in content)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("a brush mask ends early")
        return int(bits[at - count : at], 2)

    total, width = take(32), take(5) + 1
    if total != wanted:
        raise ValueError(f"a brush mask has {total} values, its picture {wanted}")
    sizes = [take(4) + 1 for _ in range(4)]
    found: list[int] = []
    while len(found) < total:
        repeated = take(1)
        length = take(sizes[take(2)]) + 1
        found += [take(width)] * length if repeated else [take(width) for _ in range(length)]
    return np.array(found[:total], np.uint8)


KINDS: Mapping[str, Callable[[str, dict[str, Any], Size], Shape]] = {
    "polygonlabels": _polygon,
    "brushlabels": _brush,
    "rectanglelabels": _rectangle,
    "ellipselabels": _ellipse,
}
"""By type of the result."""
