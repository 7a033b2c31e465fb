"""The labels of BDD100K: drivable maps in both codings, bit-coded lane masks, polygons in JSON.

Drivable maps: the release of 2018 has 0 background, 1 direct, 2 alternative; the current one has
0 direct, 1 alternative, 2 background. The files do not say which, but the top of a road picture is
no road: the id that fills the top sixth of nearly all masks is background.

Lane masks (`bdd100k/label/label.py` and `to_mask.py` of the toolkit): bits 0 to 2 are the kind,
bit 3 is set for background (255), bit 4 is dashed, bit 5 means that the line lies across.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lanes.datasets import _files, _rules, _vector
from lanes.datasets._shapes import Area, Line, Points, Shape, points_of
from lanes.errors import BadDataset
from lanes.types import Size

Mask = NDArray[np.bool_]
VALUES = 3
TOP, SURE, LOOKED_AT = 1 / 6, 0.95, 60
"""The share of a mask's height to look at, of the masks that agree, and how many are read."""
FULL = 0.99
"""An id that has this share of the pixels fills them."""
KIND, BACKGROUND, ACROSS = 7, 8, 32
"""Bits of a lane mask."""
CROSSWALK, CURB = 0, 4
"""The kinds of a lane mask that are not lines between lanes."""
NO_LINES = ("crosswalk", "road curb", "curb")
DRIVABLE_NAMES = ("direct", "alternative", "area/drivable", "area/alternative", "drivable area")
CURVE = 12
"""Points on a Bezier curve of a polygon."""


class Marks(NamedTuple):
    """Where lines between lanes are, and other marks: crossings, curbs, stop lines."""

    line: Mask
    other: Mask


def background_of(root: Path, masks: Sequence[Path]) -> int:
    """The drivable id that is background: `[ids]` of labels.toml, or found in `masks`.

    Raises:
        BadDataset: no id fills the top sixth of at least 95 % of the masks, or it is 1.
    """
    rules = _rules.read(root)
    if rules.section == "ids":
        return next((int(i) for i, classes in rules.meanings.items() if 1 not in classes), 0)
    stored = map(_files.read_stored, masks[:: max(len(masks) // LOOKED_AT, 1)])
    # Other masks have their own error when they are read.
    filling = [_filling(mask) for mask in stored if mask.ndim == 2 and mask.max() < VALUES]
    for value in (0, VALUES - 1):
        if filling.count(value) >= SURE * len(filling):
            return value
    raise BadDataset(
        f"the drivable masks in {masks[0].parent if masks else root} do not say which id is "
        f"background: 0 fills the top of {filling.count(0)} of {len(filling)} masks, 2 of "
        f"{filling.count(2)}. Write into {root / _rules.FILE} the coding of 2018:\n[ids]\n"
        '0 = "background"\n1 = "drivable"\n2 = "drivable"\nor the current one:\n[ids]\n'
        '0 = "drivable"\n1 = "drivable"\n2 = "background"'
    )


def _filling(mask: NDArray[Any]) -> int | None:
    """The id that fills the top sixth of a mask."""
    top = mask[: max(round(mask.shape[0] * TOP), 1)]
    counts = np.bincount(top.ravel())
    value = int(counts.argmax())
    return value if counts[value] >= FULL * top.size else None


def read_drivable(path: Path, size: Size, background: int) -> Mask:
    """The drivable pixels (H, W) of a mask."""
    return np.asarray(_files.read_labels(path, size, VALUES) != background)


def read_lanes(path: Path, size: Size) -> Marks:
    """The marks of a bit-coded lane mask."""
    values = _files.read_labels(path, size, 256)
    kind, known = values & KIND, values & BACKGROUND == 0
    line = known & (values & ACROSS == 0) & (kind != CROSSWALK) & (kind != CURB)
    return Marks(line, known & ~line)


def read_frames(path: Path) -> dict[str, list[Any]]:
    """The labels of a polygon file in Scalabel's form, by the image's stem."""
    values = _vector.read_json(path)
    with _vector.parsing(path, "a label file of BDD100K"):
        frames = values["frames"] if isinstance(values, dict) else values
        return {Path(frame["name"]).stem: frame.get("labels") or [] for frame in frames}


def drawn_drivable(labels: Sequence[Any], path: Path, size: Size) -> Mask:
    """The drivable pixels of a frame's polygons."""
    with _vector.parsing(path, "a label file of BDD100K"):
        shapes = [s for x in labels if x["category"] in DRIVABLE_NAMES for s in _shapes_of(x)]
    return _drawn(shapes, size)


def drawn_lanes(labels: Sequence[Any], path: Path, size: Size) -> Marks:
    """The marks of a frame's polygons, 10 px wide at picture width 1280."""
    line: list[Shape] = []
    other: list[Shape] = []
    with _vector.parsing(path, "a label file of BDD100K"):
        for label in labels:
            attributes = label.get("attributes") or {}
            kind = attributes.get("laneTypes") or label["category"].rpartition("/")[2]
            if label["category"] in DRIVABLE_NAMES:
                continue
            across = attributes.get("laneDirection") == "vertical"
            (other if across or kind in NO_LINES else line).extend(_shapes_of(label))
    found = _drawn(line, size)
    return Marks(found, _drawn(other, size) & ~found)


def _shapes_of(label: Any) -> list[Shape]:
    found: list[Shape] = []
    for polygon in label.get("poly2d") or []:
        points = _curved(points_of(polygon["vertices"]), polygon.get("types") or "")
        name = label["category"]
        closed = polygon.get("closed", True) and name in DRIVABLE_NAMES
        found.append(Area(name, (points,)) if closed else Line(name, points))
    return found


def _curved(points: Points, types: str) -> Points:
    """The polygon with its Bezier curves: two vertices of type C are their control points."""
    found: list[Points] = []
    at = 0
    while at < len(points):
        if types[at : at + 2] == "CC" and at:
            ends = points[at - 1], points[(at + 2) % len(points)]
            found.append(_bezier(ends[0], points[at], points[at + 1], ends[1]))
            at += 2
        else:
            found.append(points[at : at + 1])
            at += 1
    return np.concatenate(found)


def _bezier(start: Points, first: Points, second: Points, end: Points) -> Points:
    t = np.linspace(0, 1, CURVE)[:, None]
    s = 1 - t
    return np.asarray(s**3 * start + 3 * s * s * t * first + 3 * s * t * t * second + t**3 * end)


def _drawn(shapes: Sequence[Shape], size: Size) -> Mask:
    labels = np.zeros(size, np.uint8)
    for shape in shapes:
        shape.draw(labels, 1)
    return labels > 0
