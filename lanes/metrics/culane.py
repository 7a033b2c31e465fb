"""The official F1 of the CULane benchmark (Pan et al., "Spatial As Deep", AAAI 2018).

Each lane is drawn 30 px wide on a picture of 1640x590, along a natural cubic spline through its
points. Predicted and true lanes of a picture are matched one to one so that their summed IoU is
largest. A matched pair with an IoU above 0.5 is a true positive; all other predictions are false
positives, all other true lanes false negatives. Counts are pooled over the pictures; F1 is the
harmonic mean of precision and recall. Pictures without true lanes (the category "crossroad") thus
count false positives only.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.lines.files import read_culane
from lanes.plugins import missing

SIZE = (590, 1640)
WIDTH = 30
LEAST_IOU = 0.5
PER_SEGMENT = 50
"""Points of the spline between two points of a lane."""
SUFFIX = ".lines.txt"

Lane = NDArray[np.float64]
"""(N, 2): x, y in pixels."""


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 without predictions."""
        return self.tp / max(self.tp + self.fp, 1)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 without true lanes."""
        return self.tp / max(self.tp + self.fn, 1)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)


def score_picture(predicted: Sequence[Lane], truth: Sequence[Lane]) -> Counts:
    """Match the lanes of one picture.

    Raises:
        MissingDependency: SciPy is not installed.
    """
    hits = 0
    if len(predicted) and len(truth):
        overlap = _ious([_drawn(lane) for lane in predicted], [_drawn(lane) for lane in truth])
        matched = _scipy("optimize").linear_sum_assignment(overlap, maximize=True)
        hits = int((overlap[matched] > LEAST_IOU).sum())
    return Counts(hits, len(predicted) - hits, len(truth) - hits)


def score_folders(predicted: Path, truth: Path, names: Iterable[str] | None = None) -> Counts:
    """Score the `.lines.txt` files of two folders; a missing prediction has no lanes.

    `names` are pictures as in the benchmark's lists ("/driver/clip.MP4/00020.jpg"); default: all
    of `truth`.

    Raises:
        BadInput: a folder or a file of truth is missing, or a file is no list of lanes.
        MissingDependency: SciPy is not installed.
    """
    for folder in (predicted, truth):
        if not folder.is_dir():
            raise BadInput(f"{folder} is no folder: name one with {SUFFIX} files")
    files = _all_files(truth) if names is None else [_file_of(name) for name in names]
    counts = Counts()
    for file in files:
        true = read_culane(truth / file)
        ours = read_culane(predicted / file) if (predicted / file).is_file() else []
        counts += score_picture(ours, true)
    return counts


def read_list(path: Path) -> list[str]:
    """The pictures of one of the benchmark's lists.

    Raises:
        BadInput: the list cannot be read, or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): name a list of pictures") from error
    names = [line.split()[0] for line in lines if line.strip()]
    if not names:
        raise BadInput(f"{path} names no pictures: wanted one a line")
    return names


def _all_files(folder: Path) -> list[Path]:
    files = sorted(path.relative_to(folder) for path in folder.rglob(f"*{SUFFIX}"))
    if not files:
        raise BadInput(f"{folder} holds no {SUFFIX} files: name the folder with the truth")
    return files


def _file_of(name: str) -> Path:
    return Path(name.lstrip("/")).with_suffix(SUFFIX)


def _drawn(lane: Lane) -> NDArray[np.uint8]:
    """The lane's pixels (H, W), 1 on it; a lane of one point has none."""
    mask = np.zeros(SIZE, np.uint8)
    if len(lane) > 1:
        points = np.clip(_spline(lane), -1e4, 1e4)
        cv2.polylines(mask, [np.rint(points).astype(np.int32)], False, 1, WIDTH)
    return mask


def _spline(lane: Lane) -> Lane:
    """Points on the natural cubic spline through a lane, by chord length; of two points, these."""
    steps = np.hypot(*np.diff(lane, axis=0).T)
    lane = lane[np.concatenate([[True], steps > 0])]
    if len(lane) < 3:
        return lane
    at = np.concatenate([[0], np.cumsum(steps[steps > 0])])
    curve = _scipy("interpolate").CubicSpline(at, lane, bc_type="natural")
    count = (len(at) - 1) * PER_SEGMENT + 1
    fine = np.interp(np.arange(count) / PER_SEGMENT, np.arange(len(at)), at)
    return np.asarray(curve(fine))


def _ious(
    ours: Sequence[NDArray[np.uint8]], true: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float64]:
    """IoU of each pair, (predicted, true)."""
    flat = [np.stack([mask.ravel() for mask in masks]).astype(np.float32) for masks in (ours, true)]
    both = flat[0] @ flat[1].T
    either = flat[0].sum(1)[:, None] + flat[1].sum(1) - both
    return np.asarray(both / np.maximum(either, 1), float)


def _scipy(part: str) -> Any:
    try:
        return importlib.import_module(f"scipy.{part}")
    except ModuleNotFoundError as error:
        raise missing("the CULane score", "scipy") from error
