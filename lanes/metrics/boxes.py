"""Score the tables of `lanes image` against boxes: for sets whose truth has boxes, but no outlines.

A true box is hit by each found cell whose own box reaches an IoU of 0.5 with it. Cells of the kind
"platelet" and boxes of other classes are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput

IOU, INSIDE = 0.5, 0.8
"""A hit's least IoU; the share of a cell's box in a true box from which the box holds the cell."""
RED, WHITE, PLATELET = "RBC", "WBC", "platelet"
"""Two classes of the true boxes, and a kind of found cells."""
TRUTH_COLUMNS = ("image", "class", "left", "top", "right", "bottom")
CELLS, SUMMARY = "cells.csv", "summary.csv"

Boxes = NDArray[np.float64]
"""(N, 4): left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class BoxCounts:
    """The counts behind the figures of one picture; `+` pools pictures."""

    true: int = 0
    found: int = 0
    hit_once: int = 0
    """True boxes hit by exactly one cell."""
    crowded: int = 0
    """True boxes that hold another cell than the one closest to them."""
    matched: int = 0
    """Pairs of true boxes and hits, each in one pair at most."""
    white: int = 0
    white_found: int = 0
    """White cells, and those hit by any cell."""
    white_known: int = 0
    """White cells hit by a cell of the kind "white"."""
    count_error: float = 0.0
    """Sum of |found - true| / true over the pictures with true boxes."""
    pictures: int = 0

    def __add__(self, other: BoxCounts) -> BoxCounts:
        return BoxCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def figures(self) -> dict[str, float]:
        """The figures by name; NaN if there is nothing to score.

        `ap50` is TP / (TP + FP + FN), as in `lanes.metrics.instances`: the cells have no scores.
        """
        return {
            "hit once": _share(self.hit_once, self.true),
            "crowded": _share(self.crowded, self.true),
            "white recall": _share(self.white_found, self.white),
            "white known": _share(self.white_known, self.white),
            "count error": _share(self.count_error, self.pictures),
            "ap50": _share(self.matched, self.true + self.found - self.matched),
        }


def box_counts(
    truth: Boxes, white: NDArray[np.bool_], found: Boxes, found_white: NDArray[np.bool_]
) -> BoxCounts:
    """Compare the boxes of one picture; `white` (N,) and `found_white` mark the white cells."""
    overlap, inside = _overlaps(truth, found)
    hits = overlap >= IOU
    held = inside >= INSIDE
    if len(found) and len(truth):
        held[np.arange(len(truth)), overlap.argmax(1)] = False
    hit = hits.any(1)
    known = (hits & found_white).any(1)
    return BoxCounts(
        true=len(truth),
        found=len(found),
        hit_once=int((hits.sum(1) == 1).sum()),
        crowded=int(held.any(1).sum()),
        matched=_matches(overlap),
        white=int(white.sum()),
        white_found=int((hit & white).sum()),
        white_known=int((known & white).sum()),
        count_error=abs(len(found) - len(truth)) / len(truth) if len(truth) else 0.0,
        pictures=int(len(truth) > 0),
    )


def score_tables(results: Path, truth: Path) -> dict[str, BoxCounts]:
    """The counts of each picture of the file of boxes `truth`, given the folder of `lanes image`.

    `truth` has the columns `TRUTH_COLUMNS`, one row per box.

    Raises:
        BadInput: a table is missing, lacks columns, or lacks pictures of `truth`.
    """
    labelled = {row["image"] for row in _rows(results / SUMMARY, ("image",))}
    columns = ("image", "left_px", "top_px", "width_px", "height_px")
    cells = [row for row in _rows(results / CELLS, columns) if row.get("kind") != PLATELET]
    boxes = [row for row in _rows(truth, TRUTH_COLUMNS) if row["class"] in (RED, WHITE)]
    names = sorted({row["image"] for row in boxes})
    missing = [name for name in names if name not in labelled]
    if missing:
        raise BadInput(
            f"{results / SUMMARY} lacks {len(missing)} of the {len(names)} pictures of {truth}, "
            f"such as {missing[0]}: label them with lanes image"
        )
    scored = {}
    for name in names:
        true = [row for row in boxes if row["image"] == name]
        mine = [row for row in cells if row["image"] == name]
        scored[name] = box_counts(
            _numbers(true, TRUTH_COLUMNS[2:], truth),
            np.array([row["class"] == WHITE for row in true], bool),
            _corners(_numbers(mine, columns[1:], results / CELLS)),
            np.array([row.get("kind") == "white" for row in mine], bool),
        )
    return scored


def _overlaps(truth: Boxes, found: Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """IoU, and the share of each found box inside each true one; both (true, found)."""
    one, other = truth[:, None], found[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas, found_areas = (np.prod(b[..., 2:] - b[..., :2], axis=-1) for b in (one, other))
    return shared / np.maximum(areas + found_areas - shared, 1), shared / np.maximum(found_areas, 1)


def _matches(overlap: NDArray[np.float64]) -> int:
    """Pairs of at least `IOU`, greedily by falling IoU."""
    left = overlap.copy()
    pairs = 0
    while left.size and left.max() >= IOU:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        left[row], left[:, column] = 0, 0
        pairs += 1
    return pairs


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read ({error}); wanted a table of lanes image") from error
    lacking = [name for name in columns if name not in (reader.fieldnames or ())]
    if lacking:
        raise BadInput(
            f"{path} lacks the columns {', '.join(lacking)}; wanted {', '.join(columns)}"
        )
    return rows


def _numbers(rows: Iterable[dict[str, str]], columns: Sequence[str], path: Path) -> Boxes:
    try:
        found = [[float(row[name]) for name in columns] for row in rows]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path} holds a box that is no number ({error}): correct it") from error
    return np.array(found, np.float64).reshape(-1, len(columns))


def _corners(boxes: Boxes) -> Boxes:
    """Left, top, right, bottom of boxes of left, top, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
