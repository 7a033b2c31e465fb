"""Write a model's labels as polygons for LabelMe or CVAT, to be corrected by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np

from lanes.datasets._label_table import JOINED
from lanes.doctor.data.outlines import Part, Points, keyhole, parts_of, simplified
from lanes.errors import BadConfig, BadOutput
from lanes.images.read import read_picture
from lanes.plugins import unknown
from lanes.types import Image, LabelMap, Size, Task
from lanes.video.output_files import check_new, write_json, write_text

TOOLS = ("labelme", "cvat")
LEAST = 1e-4
"""Parts with a smaller share of the picture are left out: specks are quicker drawn than deleted."""
TOLERANCE = 1 / 640
"""How far a simplified outline may be from the label's edge, as a share of the picture's width."""
XML = "annotations.xml"
Tick = Callable[[int, int | None, str], None]


class Polygon(NamedTuple):
    """An outline with the name of its class."""

    name: str
    ring: Points


def polygons_of(labels: LabelMap, task: Task) -> list[Polygon]:
    """The outlines of a label map (H, W), in drawing order: areas first, lines on top.

    Lines lie on the road: the outline of drivable ground runs around them. Holes of areas are
    outlines of the background.
    """
    height, width = labels.shape
    least, tolerance = LEAST * height * width, TOLERANCE * width
    found = []
    for name, classes, is_line in _areas(task):
        for part in parts_of(np.isin(labels, classes)):
            if part.area < least:
                continue
            outer = simplified(part.outer, tolerance)
            holes = [simplified(hole, tolerance) for hole in part.holes if _area(hole) >= least]
            if is_line:  # nothing is drawn over lines, so their holes are cut in
                found.append(Polygon(name, keyhole(Part(outer, holes))))
                continue
            found.append(Polygon(name, outer))
            found += [Polygon(task.class_names[0], hole) for hole in holes]
    return [polygon for polygon in found if len(polygon.ring) > 2]


def _areas(task: Task) -> Iterator[tuple[str, list[int], bool]]:
    """Each class but the background: the labels inside its outline, and whether it is a line."""
    names = task.class_names
    joined = JOINED.get(task.name, {})
    for name in names[1:]:
        classes, is_line = joined.get(name, ((name,), bool(joined)))
        inside = [names.index(c) for c in ((name,) if is_line else classes) if c in names]
        yield name, inside, is_line


def _area(ring: Points) -> float:
    x, y = ring.T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def write(
    images: Sequence[Path],
    label: Callable[[Image], LabelMap],
    task: Task,
    tool: str,
    folder: Path,
    overwrite: bool,
    tick: Tick = lambda *_: None,
) -> list[Path]:
    """Label `images` and write files for `tool` ("labelme" or "cvat") into `folder`.

    Raises:
        BadConfig: there is no such tool.
        BadInput: an image cannot be read.
        BadOutput: a file exists already, or cannot be written.
    """
    if tool not in TOOLS:
        raise BadConfig(unknown("--to", tool, list(TOOLS)))
    if not folder.is_dir():
        raise BadOutput(f"there is no folder {folder}; make it first: mkdir -p {folder}")
    files = _files(images, tool, folder)
    for file in dict.fromkeys(files):
        check_new(file, overwrite)
    elements = []
    for number, (image, file) in enumerate(zip(images, files, strict=True)):
        pixels = read_picture(image)
        size = (pixels.shape[0], pixels.shape[1])
        polygons = polygons_of(label(pixels), task)
        if tool == "labelme":
            write_json(file, _labelme(polygons, os.path.relpath(image, folder), size))
        else:
            elements.append(_cvat(polygons, number, image.name, size))
        tick(number + 1, len(images), "")
    if tool == "cvat":
        text = f"<annotations>\n<version>1.1</version>\n{''.join(elements)}</annotations>\n"
        write_text(folder / XML, text)
    return list(dict.fromkeys(files))


def _files(images: Sequence[Path], tool: str, folder: Path) -> list[Path]:
    if tool == "cvat":
        return [folder / XML] * len(images)
    files = [folder / f"{image.stem}.json" for image in images]
    if len(set(files)) < len(files):
        twin = next(file for file in files if files.count(file) > 1)
        raise BadOutput(f"two images would be labelled in {twin}: rename one of them")
    return files


def _labelme(polygons: Sequence[Polygon], image: str, size: Size) -> dict[str, Any]:
    shapes = [
        {
            "label": polygon.name,
            "points": polygon.ring.round(2).tolist(),
            "group_id": None,
            "shape_type": "polygon",
            "flags": {},
        }
        for polygon in polygons
    ]
    picture = {"imagePath": image, "imageData": None}
    sizes = {"imageHeight": size[0], "imageWidth": size[1]}
    return {"version": "5.0.0", "flags": {}, "shapes": shapes, **picture, **sizes}


def _cvat(polygons: Sequence[Polygon], number: int, image: str, size: Size) -> str:
    lines = []
    for order, polygon in enumerate(polygons):
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon.ring)
        lines.append(
            f'<polygon label={quoteattr(polygon.name)} source="auto" occluded="0" '
            f'points="{points}" z_order="{order}"/>\n'
        )
    name = quoteattr(image)
    head = f'<image id="{number}" name={name} width="{size[1]}" height="{size[0]}">\n'
    return f"{head}{''.join(lines)}</image>\n"
