"""CVAT for images 1.1: polygons, polylines and masks of all images in annotations.xml.

Layout: `ROOT/annotations.xml` (or one folder down), images in ROOT/images or beside the file;
`subset` of an image, or its folder, names its split. Shapes are drawn by `z_order`. `[names]` of
labels.toml maps the labels to classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lanes.datasets import _shapes, _vector
from lanes.datasets._shapes import Area, Line, Region, Shape, points_of
from lanes.datasets._vector import Labelled, Shapes
from lanes.errors import BadDataset

TASK, TARGETS, MEASURES = _vector.TASK, _vector.TARGETS, _vector.MEASURES
TERMS = _vector.TERMS
TAG = "tag"
"""The element of a label of the whole image, which has no pixels of its own."""


def open(root: str | Path, split: str) -> Shapes:
    """Open "train", "choose" or "val"; see `_vector.open_split`."""
    return _vector.open_split(root, split, read)


def looks_like(root: Path) -> bool:
    """Whether an XML file in `root` begins with CVAT's element."""
    return any(_begins(file) for file in _vector.files_in(root, "*.xml", depth=1))


def read(root: Path) -> dict[str, list[Labelled]]:
    """The labelled images of `root` by part."""
    parts: dict[str, list[Labelled]] = {}
    for file in filter(_begins, _vector.files_in(root, "*.xml", depth=1)):
        for part, labelled in _images(file, root):
            parts.setdefault(part, []).append(labelled)
    if not parts:
        raise BadDataset(f"{root} holds no image of CVAT: wanted annotations.xml with <image>")
    return parts


def _begins(file: Path) -> bool:
    try:
        _, root = next(ElementTree.iterparse(file, ["start"]))
    except (OSError, ElementTree.ParseError, StopIteration):
        return False
    return bool(root.tag == "annotations")


def _images(file: Path, root: Path) -> Iterator[tuple[str, Labelled]]:
    try:
        root_element = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise BadDataset(f"{file} is not XML: {error}; export it again") from error
    if root_element.find("track") is not None:
        raise BadDataset(
            f"{file} holds tracks of a video, wanted a label for each image: export the task again "
            'as "CVAT for images 1.1"'
        )
    folders = [file.parent / "images", file.parent, root / "images", root]
    with _vector.parsing(file, "a file of CVAT for images 1.1"):
        for image in root_element.iter("image"):
            name = image.attrib["name"]
            shapes = sorted(image, key=lambda shape: int(shape.get("z_order", 0)))
            labelled = Labelled(
                _vector.find_image(name, folders, file),
                tuple(_shape(s, file) for s in shapes if "label" in s.attrib and s.tag != TAG),
                (int(image.attrib["height"]), int(image.attrib["width"])),
            )
            folder, _, _ = name.rpartition("/")
            yield _vector.part_named(image.get("subset") or folder), labelled


def _shape(shape: Element, file: Path) -> Shape:
    name = shape.attrib["label"]
    if shape.tag not in KINDS:
        raise _vector.refused(file, shape.tag, name)
    return KINDS[shape.tag](name, shape)


def _points(shape: Element) -> _shapes.Points:
    return points_of([pair.split(",") for pair in shape.attrib["points"].split(";")])


def _polygon(name: str, shape: Element) -> Shape:
    return Area(name, (_points(shape),))


def _polyline(name: str, shape: Element) -> Shape:
    return Line(name, _points(shape))


def _box(name: str, shape: Element) -> Shape:
    left, top, right, bottom = (float(shape.attrib[k]) for k in ("xtl", "ytl", "xbr", "ybr"))
    centre = ((left + right) / 2, (top + bottom) / 2)
    return Area(name, (_turned(shape, _shapes.box(left, top, right, bottom), centre),))


def _ellipse(name: str, shape: Element) -> Shape:
    x, y, across, down = (float(shape.attrib[k]) for k in ("cx", "cy", "rx", "ry"))
    return Area(name, (_turned(shape, _shapes.ellipse(x, y, across, down), (x, y)),))


def _turned(shape: Element, points: _shapes.Points, centre: tuple[float, float]) -> _shapes.Points:
    return _shapes.turned(points, float(shape.get("rotation", 0)), centre)


def _mask(name: str, shape: Element) -> Shape:
    left, top, width, height = (int(shape.attrib[k]) for k in ("left", "top", "width", "height"))
    counts = [int(count) for count in shape.attrib["rle"].split(",")]
    return Region(name, _shapes.run_lengths(counts, (height, width), by_column=False), left, top)


KINDS: Mapping[str, Callable[[str, Element], Shape]] = {
    "polygon": _polygon,
    "polyline": _polyline,
    "box": _box,
    "ellipse": _ellipse,
    "mask": _mask,
}
"""By element."""
