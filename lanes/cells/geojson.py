"""Outlines of cells as GeoJSON (RFC 7946), as QuPath reads it: one detection per cell.

See https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html. Coordinates
are x, y in pixels, from the upper left corner of the picture.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.cells.instances import NAME, Cell

Ids: TypeAlias = NDArray[np.unsignedinteger[Any]]
Corner: TypeAlias = tuple[int, int]

MEASURED = ("area_px", "diameter_px", "circularity", "eccentricity", "area_um2", "diameter_um")


HEAD, JOINT, END = '{"type": "FeatureCollection", "features": [\n', ",\n", "\n]}\n"
"""What stands before, between and after the features of a file."""


def ring_of(instances: Ids, cell: Cell, corner: Corner = (0, 0)) -> list[list[float]]:
    """The closed outer ring [x, y] of a cell, along the edges of its pixels.

    The corner of `instances` (H, W) lies at `corner` (row, column) of the picture. A cell in
    several pieces has the ring of the largest.
    """
    top, left = cell.top - corner[0], cell.left - corner[1]
    box = np.s_[top : top + cell.height, left : left + cell.width]
    # Twice the size, so that the ring lies a quarter of a pixel inside the pixels' edges.
    mask = np.repeat(np.repeat((instances[box] == cell.id).astype(np.uint8), 2, 0), 2, 1)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(found, key=cv2.contourArea)[:, 0]
    ring = (largest / 2 + (cell.left + 0.25, cell.top + 0.25)).tolist()
    return [*ring, ring[0]]


def feature(instances: Ids, cell: Cell, corner: Corner = (0, 0)) -> dict[str, Any]:
    """A cell of `instances` (H, W; see `ring_of`) with its measures."""
    values = {name: getattr(cell, name) for name in MEASURED}
    return {
        "type": "Feature",
        "id": cell.id,
        "geometry": {"type": "Polygon", "coordinates": [ring_of(instances, cell, corner)]},
        "properties": {
            "objectType": "detection",
            "classification": {"name": cell.kind or NAME},
            "measurements": {k: round(v, 4) for k, v in values.items() if v is not None},
        },
    }
