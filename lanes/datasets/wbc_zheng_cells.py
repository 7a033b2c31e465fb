"""White blood cells in crops, for the task cell_count (Zheng et al. 2018).

The files of `wbc_zheng`, brought to the scale of bbbc041seg, whose red cells are about 50 pixels
wide. The masks say nothing about red cells: outside white cells, a pixel is anything but a nucleus.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lanes.datasets import _cells, _files, _wbc
from lanes.images.resize import resize_labels, resize_plane
from lanes.types import Image, Sample

TASK = "cell_count"
TARGETS, MEASURES = _cells.TARGETS, _cells.NUCLEI
TERMS = _wbc.TERMS
IDS = np.array([_cells.OTHER, _cells.CELL, _cells.NUCLEUS], np.uint8)
"""The target of background, cytoplasm and nucleus."""
LARGE, OF_LARGE, OF_SMALL = 200, 0.65, 1.15
"""Crops at least `LARGE` pixels wide (DS2: red cells about 70 pixels) and smaller ones (DS1: about
40) are resized by these factors."""


class WbcZhengCells(_files.Pairs):
    """Crops of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        height, width = image.shape[:2]
        targets = IDS[_wbc.read_ids(label_file, (height, width))]
        factor = OF_LARGE if width >= LARGE else OF_SMALL
        size = round(factor * height), round(factor * width)
        return Sample(resize_plane(image, size), resize_labels(targets, size))


def open(root: str | Path, split: str) -> WbcZhengCells:
    """Open `split`: "train", "choose", or "val" (also named "test").

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, list or image is missing, or the split is empty.
    """
    return WbcZhengCells(_wbc.pairs_of(Path(root), split))
