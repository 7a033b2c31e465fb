"""Outlines of cells as GeoJSON (RFC 7946), as QuPath reads it: one detection per cell.

See https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html. Coordinates
are x, y in pixels, from the upper left corner of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from lanes.cells.instances import Cell
from lanes.types import InstanceMap

NAME = "cell"
"""The class of a cell without a kind."""
MEASURED = ("area_px", "diameter_px", "circularity", "eccentricity", "area_um2", "diameter_um")


def feature_collection(instances: InstanceMap, cells: Sequence[Cell]) -> dict[str, Any]:
    """The cells of `instances` (H, W) as a GeoJSON object, with their measures."""
    return {
        "type": "FeatureCollection",
        "features": [_feature(instances, cell) for cell in cells],
    }


def ring_of(instances: InstanceMap, cell: Cell) -> list[list[float]]:
    """The closed outer ring [x, y] of a cell, along the edges of its pixels.

    A cell in several pieces has the ring of the largest.
    """
    box = np.s_[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width]
    # Twice the size, so that the ring lies a quarter of a pixel inside the pixels' edges.
    mask = np.repeat(np.repeat((instances[box] == cell.id).astype(np.uint8), 2, 0), 2, 1)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(found, key=cv2.contourArea)[:, 0]
    ring = (largest / 2 + (cell.left + 0.25, cell.top + 0.25)).tolist()
    return [*ring, ring[0]]


def _feature(instances: InstanceMap, cell: Cell) -> dict[str, Any]:
    values = {name: getattr(cell, name) for name in MEASURED}
    return {
        "type": "Feature",
        "id": cell.id,
        "geometry": {"type": "Polygon", "coordinates": [ring_of(instances, cell)]},
        "properties": {
            "objectType": "detection",
            "classification": {"name": cell.kind or NAME},
            "measurements": {k: round(v, 4) for k, v in values.items() if v is not None},
        },
    }
