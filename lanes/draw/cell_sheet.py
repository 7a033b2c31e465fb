"""A contact sheet of the most doubtful cells of all images."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count

import cv2
import numpy as np

from lanes.cells.doubt import doubt_of_cell
from lanes.cells.geojson import Corner, Ids
from lanes.cells.instances import Cell
from lanes.draw.outlines import WHOLE
from lanes.draw.text import paragraph
from lanes.types import Image

MOST, COLUMNS = 10, 5
SIDE = 200
"""Pixels of a shown cell."""
ROOM = 2.0
"""The shown part, relative to the cell."""
FEWEST = 5
"""Cells of an image that are needed to know what is typical."""


class CellSheet:
    """Keeps the `MOST` most doubtful cells that it is offered."""

    def __init__(self) -> None:
        """Start without cells."""
        self._kept: list[tuple[float, int, Image, str]] = []
        self._numbers = count()

    def offer(
        self, name: str, image: Image, ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)
    ) -> None:
        """Look at measured `cells` of `image` (h, w, 3) and `ids` (h, w), which lie at `corner`."""
        whole = [cell for cell in cells if not cell.at_edge]
        if len(whole) < FEWEST:
            return
        typical = float(np.median([cell.diameter_px for cell in whole]))
        for cell in whole:
            doubt, why = doubt_of_cell(cell, typical)
            if doubt <= 0 or (len(self._kept) == MOST and doubt <= self._kept[0][0]):
                continue
            shown = _shown(image, ids, cell, corner)
            entry = doubt, -next(self._numbers), shown, f"{name} cell {cell.id}: {why}"
            (heapq.heappush if len(self._kept) < MOST else heapq.heappushpop)(self._kept, entry)

    def picture(self) -> Image:
        """The sheet (H, W, 3), most doubtful first."""
        found = sorted(self._kept, reverse=True)
        title = paragraph(_TITLE if found else "No cell is unlike the others.", COLUMNS * SIDE)
        rows = [_row(found[k : k + COLUMNS]) for k in range(0, len(found), COLUMNS)]
        return np.vstack([title, *rows])


_TITLE = "The most doubtful cells: unlike the typical cell of their image in size or shape."


def _row(entries: Sequence[tuple[float, int, Image, str]]) -> Image:
    captions = [paragraph(text, SIDE) for *_, text in entries]
    height = max(len(one) for one in captions)
    parts = [
        np.vstack([shown, np.pad(c, ((0, height - len(c)), (0, 0), (0, 0)), constant_values=255)])
        for (_, _, shown, _), c in zip(entries, captions, strict=True)
    ]
    parts += [np.full_like(parts[0], 255)] * (COLUMNS - len(parts))
    return np.asarray(np.hstack(parts), np.uint8)


def _shown(image: Image, ids: Ids, cell: Cell, corner: Corner) -> Image:
    """The cell with its outline, `SIDE` x `SIDE`."""
    half = max(round(max(cell.width, cell.height) * ROOM / 2), 2)
    y = cell.top - corner[0] + cell.height // 2
    x = cell.left - corner[1] + cell.width // 2
    part = np.s_[max(y - half, 0) : y + half, max(x - half, 0) : x + half]
    mask = (ids[part] == cell.id).astype(np.uint8)
    scale = (SIDE - 4) / max(mask.shape)
    size = [max(round(side * scale), 1) for side in mask.shape[::-1]]
    shown = np.array(cv2.resize(image[part], size, interpolation=cv2.INTER_LINEAR), np.uint8)
    large = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, found, -1, WHOLE, 1, cv2.LINE_AA)
    below, right = SIDE - shown.shape[0], SIDE - shown.shape[1]
    return np.pad(shown, ((0, below), (0, right), (0, 0)), constant_values=255)
