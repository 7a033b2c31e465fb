"""White blood cells in crops of stained smears, with nucleus and cytoplasm (Zheng et al. 2018).

Layout: `ROOT/{images,labels}/NNN.png` and the lists of stems `ROOT/split_universeg_support.txt` and
`ROOT/split_universeg_test.txt` (70 and 30 percent); or ROOT is a folder of several such sets (DS1:
300 crops of about 112x112, DS2: 100 of 300x300), which are read as one. Label files hold 0
background (red cells too), 128 cytoplasm, 255 nucleus; stray values become the nearest of these.
Splits: "train" and "choose" (a fixed tenth) share the 70 percent; "val" (or "test") is the 30
percent that is reported.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lanes.datasets import _files, _wbc
from lanes.types import Image, Measure, Sample

TASK = "blood_cells"
TARGETS = np.eye(3, dtype=bool)
MEASURES = {
    "nucleus": Measure(targets=(2,), classes=(2,)),
    "cytoplasm": Measure(targets=(1,), classes=(1,)),
    "whole cell": Measure(targets=(1, 2), classes=(1, 2)),
}
TERMS = _wbc.TERMS


class WbcZheng(_files.Pairs):
    """Crops of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def sample(self, image: Image, label_file: Path) -> Sample:
        """See `_files.Pairs`."""
        return Sample(image, _wbc.read_ids(label_file, (image.shape[0], image.shape[1])))


def open(root: str | Path, split: str) -> WbcZheng:
    """Open `split`: "train", "choose", or "val" (also named "test").

    Raises:
        UnknownName: there is no such split.
        BadDataset: a folder, list or image is missing, or the split is empty.
    """
    return WbcZheng(_wbc.pairs_of(Path(root), split))
