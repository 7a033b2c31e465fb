"""Instance metrics: average precision, F1, panoptic quality, count error.

Counts are pooled over a split, like the pixels of the other figures. A predicted instance hits a
true one if their IoU reaches a threshold; from 0.5 on, each has at most one partner.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.metrics.figures import Kind
from lanes.types import InstanceMap

THRESHOLDS = (0.5, 0.75, 0.9)


@dataclass(frozen=True)
class InstanceCounts:
    """The counts behind the figures of one picture; `+` pools pictures."""

    true: int = 0
    found: int = 0
    hits_50: int = 0
    """Pairs with an IoU of at least 0.5."""
    hits_75: int = 0
    hits_90: int = 0
    overlap: float = 0.0
    """Sum of the IoU of the pairs of `hits_50`."""
    count_error: float = 0.0
    """Sum of |found - true| / true over the pictures with true instances."""
    pictures: int = 0
    """Number of pictures with true instances."""

    def __add__(self, other: InstanceCounts) -> InstanceCounts:
        return InstanceCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def figures(self) -> dict[Kind, float]:
        """The figures by kind; NaN if neither truth nor prediction has an instance.

        `ap50`, `ap75`, `ap90`: TP / (TP + FP + FN) at that IoU, "average precision" as StarDist
        (Schmidt et al. 2018, arXiv:1806.03535) and Cellpose (Stringer et al. 2021) define it. `f1`
        at 0.5. `pq`: the mean IoU of the hits times F1 (Kirillov et al. 2019, arXiv:1801.00868).
        `mape`: the mean over pictures of the count error relative to the true count, 0..inf.
        """
        either = self.true + self.found
        hits = {Kind.AP50: self.hits_50, Kind.AP75: self.hits_75, Kind.AP90: self.hits_90}
        return {
            **{kind: _share(hit, either - hit) for kind, hit in hits.items()},
            Kind.F1: _share(2 * self.hits_50, either),
            Kind.PANOPTIC_QUALITY: _share(2 * self.overlap, either),
            Kind.COUNT_ERROR: _share(self.count_error, self.pictures),
        }


def instance_counts(truth: InstanceMap, found: InstanceMap) -> InstanceCounts:
    """Compare two instance maps (H, W), 0 = none; raises `BadInput` for other arrays."""
    if truth.shape != found.shape:
        raise BadInput(f"true instances are {truth.shape}, found are {found.shape}: resize one")
    for name, array in (("true", truth), ("found", found)):
        if array.dtype.kind not in "bui" or array.min(initial=0) < 0:
            raise BadInput(f"{name} instances are {array.dtype}; wanted integer ids from 0 on")
    columns = int(found.max(initial=0)) + 1
    both, shared = np.unique(truth.astype(np.int64) * columns + found, return_counts=True)
    rows, columns_of = both // columns, both % columns
    areas, found_areas = np.bincount(rows, shared), np.bincount(columns_of, shared)
    pairs = (rows > 0) & (columns_of > 0)
    rows, columns_of, shared = rows[pairs], columns_of[pairs], shared[pairs]
    iou = shared / (areas[rows] + found_areas[columns_of] - shared)
    hits_50, hits_75, hits_90 = (_matches(iou >= t, rows, columns_of) for t in THRESHOLDS)
    of_truth, of_found = int((areas[1:] > 0).sum()), int((found_areas[1:] > 0).sum())
    close = iou >= THRESHOLDS[0]
    return InstanceCounts(
        of_truth,
        of_found,
        hits_50,
        hits_75,
        hits_90,
        overlap=float(iou[close].sum()) - THRESHOLDS[0] * (int(close.sum()) - hits_50),
        count_error=abs(of_found - of_truth) / of_truth if of_truth else 0.0,
        pictures=int(of_truth > 0),
    )


def _matches(close: NDArray[np.bool_], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> int:
    """How many of the `close` pairs of true and found instances can be matched one to one.

    Two pairs share an instance only if its two partners are exactly its halves, at an IoU of
    exactly 0.5. One of them is then its match.
    """
    matched = len(np.unique(rows[close])) + len(np.unique(columns[close])) - int(close.sum())
    return int(matched)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
