"""Counts the cells of a slide window by window; a cell that a seam cuts is counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from lanes.cells import instances
from lanes.cells.geojson import Corner
from lanes.cells.instances import Cell
from lanes.cells.scale import is_flat
from lanes.cells.tables import Totals
from lanes.draw.overlay import overlay_bgr
from lanes.images.id_tiles import Ids, IdTiles
from lanes.images.resize import resize_labels, resize_plane, resize_smoothly
from lanes.images.slide import Slide
from lanes.images.tiff import Box
from lanes.pipeline.slide_plan import Plan, Window
from lanes.segmenter import Segmenter
from lanes.types import Image, InstanceMap, LabelMap, Size, Task

OVERLAY = 4096
"""Pixels of the longest side of the reduced overlay."""

Look = tuple[Window, Image, LabelMap | None]
"""A window, its image (h, w, 3), and its labels at the network's scale; None: it is empty."""


def read_windows(slide: Slide, plan: Plan) -> Iterator[tuple[Window, Image]]:
    """Read the windows of `plan` in order."""
    for window in plan.windows():
        yield window, slide.read(window.box)


def label_window(image: Image, plan: Plan, segmenter: Segmenter) -> LabelMap | None:
    """The labels of a window at the network's scale; None if it is empty."""
    if is_flat(image):
        return None
    scaled = resize_plane(image, plan.scaled_size((image.shape[0], image.shape[1])))
    return segmenter.result(segmenter.submit(scaled))


class SlideCells:
    """The cells of a slide, as its windows are added in order; a context manager.

    `found` is called with the new cells of each window, in pixels of the slide, with the window's
    image and ids (h, w), and its corner. `totals` sums them, `ids` maps them, `overlay` is a
    reduced picture.
    """

    def __init__(
        self,
        plan: Plan,
        task: Task,
        folder: Path,
        um_per_pixel: float | None,
        alpha: float,
        found: Callable[[Sequence[Cell], Image, Ids, Corner], None],
    ) -> None:
        """Keep a scratch file in `folder` until `close`."""
        self.plan, self.task, self.scale, self.alpha = plan, task, um_per_pixel, alpha
        self.found = found
        self.totals = Totals()
        self.ids = IdTiles(plan.size, folder)
        self.reduced = min(OVERLAY / max(plan.size), 1.0)
        height, width = (max(round(side * self.reduced), 1) for side in plan.size)
        self.overlay: Image = np.full((height, width, 3), 255, np.uint8)

    def add(self, window: Window, image: Image, labels: LabelMap | None) -> None:
        """Count the cells of a window (see `Look`) that no window before it has."""
        size = image.shape[0], image.shape[1]
        whole = np.zeros(size, np.uint8) if labels is None else resize_smoothly(labels, size)
        self._draw(window, image, whole)
        if labels is None or not labels.any():
            return
        parted = instances.segment(labels, self.task, typical=self.plan.typical)
        parts = resize_smoothly(parted, size)
        own = self._own(parts, whole, window)
        table = np.zeros(int(parts.max(initial=0)) + 1, np.uint32)
        first = self.totals.cells + 1
        table[[cell.id for cell in own]] = np.arange(first, first + len(own))
        ids = table[parts]
        self.ids.paste(window.box, ids)
        moved = [self._moved(c, n, window.box) for n, c in enumerate(own, start=first)]
        self.totals.add(moved)
        self.found(moved, image, ids, (window.box.top, window.box.left))

    def close(self) -> None:
        """Remove the scratch file."""
        self.ids.close()

    def _own(self, parts: InstanceMap, labels: LabelMap, window: Window) -> list[Cell]:
        """The cells that are this window's: not a later one's, and not counted before.

        Pixels of cells that were counted before are removed from `parts`, in place.
        """
        taken = self.ids.read(window.box) > 0
        areas = np.bincount(parts.ravel())
        covered = np.bincount(parts[taken], minlength=len(areas))
        known = covered > areas / 2
        if taken.any():
            parts[taken | known[parts]] = 0
        cells = instances.measure(parts, labels, self.task, self.scale)
        return [cell for cell in cells if self._is_due(cell, window)]

    def _is_due(self, cell: Cell, window: Window) -> bool:
        """Whether the cell's centre lies in the core, or in an earlier one and the cell is whole.

        The labels of two windows may differ a little, so both might leave a cell to the other.
        """
        x, y, core = cell.x + window.box.left, cell.y + window.box.top, window.core
        later = y >= core.bottom or (y >= core.top and x >= core.right)
        inside = core.top <= y < core.bottom and core.left <= x < core.right
        return inside or (not later and not self._is_cut(cell, window.box))

    def _is_cut(self, cell: Cell, box: Box) -> bool:
        """Whether the window's edge cuts the cell, but not the slide's."""
        return (
            (cell.top == 0 and box.top > 0)
            or (cell.left == 0 and box.left > 0)
            or (box.top + cell.top + cell.height == box.bottom < self.plan.size[0])
            or (box.left + cell.left + cell.width == box.right < self.plan.size[1])
        )

    def _moved(self, cell: Cell, number: int, box: Box) -> Cell:
        """The cell with its number and place on the slide."""
        top, left = cell.top + box.top, cell.left + box.left
        height, width = self.plan.size
        edge = top == 0 or left == 0 or top + cell.height == height or left + cell.width == width
        return replace(
            cell,
            id=number,
            x=cell.x + box.left,
            y=cell.y + box.top,
            top=top,
            left=left,
            at_edge=edge,
        )

    def _draw(self, window: Window, image: Image, labels: LabelMap) -> None:
        """Draw the window's core, reduced."""
        core, box = window.core, window.box
        rows = slice(core.top - box.top, core.bottom - box.top)
        columns = slice(core.left - box.left, core.right - box.left)
        top, bottom = (round(side * self.reduced) for side in (core.top, core.bottom))
        left, right = (round(side * self.reduced) for side in (core.left, core.right))
        bottom, right = min(bottom, self.overlay.shape[0]), min(right, self.overlay.shape[1])
        if bottom <= top or right <= left:
            return
        size: Size = bottom - top, right - left
        small = cv2.resize(image[rows, columns], size[::-1], interpolation=cv2.INTER_AREA)
        tinted = resize_labels(np.ascontiguousarray(labels[rows, columns]), size)
        self.overlay[top:bottom, left:right] = overlay_bgr(
            np.asarray(small, np.uint8), tinted, self.task, self.alpha
        )
