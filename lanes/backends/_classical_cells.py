"""Cells by thresholds on brightness: Otsu, filled holes, a watershed where cells touch.

Thresholds follow Otsu ("A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 1979),
for two or three classes. `lanes.cells.instances` splits touching cells. Otsu always finds two
classes: on an empty slide it sees cells in the noise. The constants were tuned by hand on the
training splits of bbbc041seg and wbc_zheng.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.cells.borders import between
from lanes.cells.instances import segment
from lanes.types import Image, LabelMap, Task, Things

CYTOPLASM, NUCLEUS = 1, 2
"""Ids of the task `blood_cells`."""
CELL, BORDER = 1, 2
"""Ids of the task `cell_count`."""
BLUR = (5, 5)
LEAST_NUCLEUS = 0.2
"""Share of the largest nucleus; smaller dark pieces are platelets and dirt."""
LEAST_SHARE = 0.15
"""Share of a piece that must be nucleus; below it, the piece is a red cell touching a nucleus."""
LEAST_CELL = 0.35
"""Share of the median piece; smaller pieces are platelets and dirt, smaller holes pale centres."""
PIECES = Task("pieces", (), lambda labels: {}, Things(classes=(1,)))
"""How to split a mask into pieces."""

Plane = NDArray[np.uint8]


def every_cell(image: Image) -> LabelMap:
    """Labels (H, W) of the task `cell_count`.

    Haemoglobin and the dyes of nuclei absorb green light most.
    """
    green = cv2.GaussianBlur(image[..., 1], BLUR, 0)
    _, mask = cv2.threshold(green, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    cells = segment(_without_specks(np.asarray(mask, np.uint8)), PIECES)
    labels = np.where(between(cells), BORDER, CELL)
    return np.where(cells > 0, labels, 0).astype(np.uint8)


def white_cells(image: Image) -> LabelMap:
    """Labels (H, W) of the task `blood_cells`: the darkest of three brightness classes is nuclei.

    A piece darker than the slide that contains a nucleus is a white cell. Red cells let red light
    pass, so the mean of green and red separates them from nuclei.
    """
    mean = cv2.addWeighted(image[..., 1], 0.5, image[..., 2], 0.5, 0)
    grey: Plane = np.asarray(cv2.GaussianBlur(mean, BLUR, 0), np.uint8)
    dark, pale = two_thresholds(grey)
    nuclei = _large(np.asarray(grey <= dark, np.uint8))
    body = _filled((grey <= pale).astype(np.uint8) | nuclei)
    pieces = segment(body, PIECES)
    count = int(pieces.max()) + 1
    inside = np.bincount(pieces[nuclei > 0], minlength=count)
    white = inside > LEAST_SHARE * np.bincount(pieces.ravel(), minlength=count)
    white[0] = False
    cells = _filled(white[pieces].astype(np.uint8)) | nuclei
    return np.where(nuclei > 0, NUCLEUS, cells * CYTOPLASM).astype(np.uint8)


def two_thresholds(grey: Plane) -> tuple[int, int]:
    """The two thresholds that split `grey` into three classes with maximal variance between."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below, moment = np.cumsum(share), np.cumsum(share * np.arange(256))
    first, second = below[:, None], below[None]
    weights = (first, second - first, 1 - second)
    sums = (moment[:, None], moment[None] - moment[:, None], moment[-1] - moment[None])
    between = np.zeros((256, 256))
    for weight, total in zip(weights, sums, strict=True):
        between += np.where(weight > 1e-9, total**2 / np.maximum(weight, 1e-9), 0)
    low, high = np.unravel_index(int(np.argmax(np.triu(between))), between.shape)
    return int(low), int(high)


def _large(mask: Plane) -> Plane:
    """The pieces of `mask` that are not tiny compared with the largest."""
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(opened)
    areas = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = areas >= max(LEAST_NUCLEUS * areas.max(), 1)
    return np.asarray(kept[pieces], np.uint8)


def _filled(mask: Plane) -> Plane:
    """`mask` with its holes filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED), np.uint8)


def _without_specks(mask: Plane) -> Plane:
    """`mask` without pieces much smaller than the median; holes too small to be gaps are filled."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    seen = areas[areas >= BLUR[0] ** 2]
    typical = float(np.median(seen)) if len(seen) else 0.0
    cells = np.asarray((areas >= max(LEAST_CELL * typical, 1))[pieces], np.uint8)
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - cells, connectivity=4)
    small = np.asarray(stats)[:, cv2.CC_STAT_AREA] < LEAST_CELL * typical
    small[0] = False
    return np.asarray(cells | small[holes], np.uint8)
