"""The confusion matrix of a data set with class names, as plain values and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanes.draw.text import BLACK, LINE, MARGIN, WHITE, paragraph, width_of, write
from lanes.metrics.confusion_matrix import Matrix
from lanes.types import Image

CELL = (34, 64)
"""Least size of a cell (height, width)."""
RIGHT, WRONG = (140, 80, 0), (30, 40, 200)
"""BGR of a cell that holds all the pixels of its row."""
LEAST = 480
"""Least width of the picture, so that the caption fits."""
DARK = 0.55
"""Above this share of the full colour the number is white."""
CORNER, TOTAL = "truth \\ predicted", "pixels"


@dataclass(frozen=True)
class Confusion:
    """Pixel counts (K, C) by truth (rows) and prediction (columns).

    `right` (K, C) marks the correct predictions; with partial truth ("background or lane line") a
    row has more than one. Unknown truth has no row.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    right: NDArray[np.bool_]
    pixels: Matrix

    @classmethod
    def named(cls, targets: NDArray[np.bool_], matrix: Matrix, classes: Sequence[str]) -> Confusion:
        """Name the rows of `matrix` (K, C) by the classes that `targets` (K, C) allows."""
        known = ~targets.all(axis=1)
        rows = [
            " or ".join(classes[int(k)] for k in np.flatnonzero(target))
            for target in targets[known]
        ]
        return cls(tuple(rows), tuple(classes), targets[known], matrix[known])

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each cell's share of its row (K, C); NaN in a row without pixels."""
        totals = self.pixels.sum(axis=1, keepdims=True)
        return np.where(totals > 0, self.pixels / np.maximum(totals, 1), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Names and counts, for JSON."""
        return {"rows": self.rows, "columns": self.columns, "pixels": self.pixels.tolist()}

    def picture(self, title: str) -> Image:
        """The matrix drawn (BGR): percent of each row, blue where right, red where wrong."""
        first = max(map(width_of, (CORNER, *self.rows))) + 3 * MARGIN
        height, width = CELL
        width = max(width, *(width_of(name) + 2 * MARGIN for name in (*self.columns, TOTAL)))
        needed = first + width * (len(self.columns) + 1)
        table = np.full((LINE + height * len(self.rows) + MARGIN, max(needed, LEAST), 3), 255)
        table = np.asarray(table, np.uint8)
        write(table, CORNER, MARGIN, 0)
        for number, name in enumerate((*self.columns, TOTAL)):
            _write_centred(table, name, first + width * number, 0, width)
        below = (height - LINE) // 2
        for k, (name, shares) in enumerate(zip(self.rows, self.shares, strict=True)):
            top = LINE + height * k
            write(table, name, first - 2 * MARGIN - width_of(name), top + below)
            for c, share in enumerate(shares):
                left = first + width * c
                drawn = table[top : top + height - 1, left : left + width - 1]
                ink = _fill(drawn, share, bool(self.right[k, c]))
                _write_centred(table, _percent(share), left, top + below, width, ink)
            total = _rounded(int(self.pixels[k].sum()))
            _write_centred(table, total, first + width * len(shares), top + below, width)
        legend = "Percent of each row's pixels: blue is right, red is wrong."
        notes = [paragraph(text, table.shape[1]) for text in (title, legend)]
        return np.asarray(np.vstack([*notes, table]), np.uint8)


def _fill(cell: Image, share: float, right: bool) -> tuple[int, int, int]:
    """Colour `cell` in place by `share`; returns the colour of its number."""
    if np.isnan(share):
        cell[:] = 245
        return BLACK
    # The square root makes small errors visible: one percent gets a tenth of the full red.
    depth = share if right else share**0.5
    full = np.array(RIGHT if right else WRONG)
    cell[:] = np.rint(255 - depth * (255 - full)).astype(np.uint8)
    return WHITE if depth > DARK else BLACK


def _percent(share: float) -> str:
    if np.isnan(share):
        return "-"
    return f"{100 * share:.1f}" if share else "0"


def _rounded(count: int) -> str:
    """A pixel count in a few digits: 950, 12 k, 3.4 M."""
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if count >= size:
            return f"{count / size:.2g}{unit}" if count < 10 * size else f"{count / size:.0f}{unit}"
    return str(count)


def _write_centred(
    table: Image, text: str, x: int, y: int, width: int, ink: tuple[int, int, int] = BLACK
) -> None:
    write(table, text, x + (width - width_of(text)) // 2, y, ink)
