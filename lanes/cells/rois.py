"""Outlines of cells as regions of ImageJ and Fiji: a ZIP file with one region per cell.

The format is that of ImageJ's RoiManager (https://imagej.net/ij/developer/api/ij/ij/io/RoiDecoder.html),
written by `roifile`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lanes.cells.geojson import Corner, Ids, ring_of
from lanes.cells.instances import Cell
from lanes.errors import BadInput
from lanes.plugins import missing
from lanes.types import Size

LARGEST = 32_767
"""Pixels: regions store their place in 16 bits."""


def library() -> Any:
    """The module `roifile`; raises `MissingDependency`."""
    try:
        import roifile
    except ModuleNotFoundError as error:
        raise missing("--rois", "roifile") from error
    return roifile


def check_size(size: Size, name: str) -> None:
    """Raise `BadInput` for a picture of a size (height, width) that regions cannot address."""
    if max(size) > LARGEST:
        raise BadInput(
            f"--rois: {name} has {size[1]} x {size[0]} pixels, ImageJ's regions end at {LARGEST}: "
            "use --geojson"
        )


def region(instances: Ids, cell: Cell, corner: Corner = (0, 0)) -> tuple[str, bytes]:
    """The name and the content of a cell's region; see `lanes.cells.geojson.ring_of`."""
    name = f"{cell.id:06d}{f'-{cell.kind}' if cell.kind else ''}"
    ring = np.array(ring_of(instances, cell, corner)[:-1], np.float32)
    return f"{name}.roi", library().ImagejRoi.frompoints(ring, name=name).tobytes()
