"""The report's pictures: the most doubtful cells, and the histogram."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from lanes import tasks
from lanes.cells import instances
from lanes.draw.cell_sheet import SIDE, CellSheet
from lanes.draw.histogram import COLOURS, HEIGHT, histogram


def smear(radii):
    """Discs of `radii` in a row, and a cross at the end."""
    ids = np.zeros((100, 100 * (len(radii) + 1)), np.uint16)
    for k, radius in enumerate(radii):
        cv2.circle(ids, (100 * k + 50, 50), radius, k + 1, cv2.FILLED)
    left = 100 * len(radii)
    ids[45:55, left + 10 : left + 90] = ids[10:90, left + 45 : left + 55] = len(radii) + 1
    image = np.repeat(np.where(ids > 0, 90, 220).astype(np.uint8)[..., None], 3, axis=2)
    cells = instances.measure(ids, (ids > 0).astype(np.uint8), tasks.load("cell_count"))
    return image, ids, cells


def test_cells_unlike_the_others_are_shown():
    sheet = CellSheet()
    assert sheet.picture().shape[0] < SIDE
    image, ids, cells = smear([20, 20, 20, 21, 19, 8])
    sheet.offer("a.png", image, ids, cells)
    assert sorted(text for *_, text in sheet._kept) == [
        "a.png cell 6: small", "a.png cell 7: ragged"
    ]  # fmt: skip
    assert sheet.picture().shape[1] == 5 * SIDE
    for _ in range(20):
        sheet.offer("b.png", image, ids, cells)
    assert len(sheet._kept) == 10


def test_a_few_cells_say_nothing_about_what_is_typical():
    sheet = CellSheet()
    sheet.offer("a.png", *smear([20, 8]))
    assert sheet._kept == []


def test_bars_are_as_high_as_their_counts():
    drawn = histogram({"red": Counter({10: 40, 11: 20})}, 1.0, "title", "pixels")
    red = (drawn == COLOURS[0]).all(axis=2)
    columns = red[:, 70 : 70 + 950].sum(axis=0)
    assert abs(int(columns[100]) - HEIGHT) <= 20  # the legend's square hides nothing
    assert abs(int(columns[600]) - HEIGHT / 2) <= 20
    empty = histogram({}, 1.0, "title", "pixels")
    assert empty.shape == drawn.shape
    wide = histogram({"cell": Counter({1: 1, 4000: 3})}, 0.25, "title", "um")
    assert (wide == COLOURS[0]).all(axis=2).any()
