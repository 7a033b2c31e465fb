"""Label maps drawn by hand are segmented into the drawn cells."""

from __future__ import annotations

import time
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from lanes import tasks
from lanes.cells import instances
from lanes.errors import BadInput

COUNT, WHITE, LANES = tasks.load("cell_count"), tasks.load("blood_cells"), tasks.load("lanes")
RADIUS = 20


def discs(*centres: tuple[int, int], size: tuple[int, int] = (120, 160)) -> np.ndarray:
    labels = np.zeros(size, np.uint8)
    for centre in centres:
        cv2.circle(labels, centre, RADIUS, 1, cv2.FILLED)
    return labels


def test_pieces_apart_are_cells_numbered_in_reading_order():
    found = instances.segment(discs((120, 30), (30, 31), (60, 90)), COUNT)
    assert found.dtype == np.uint16
    assert (found[30, 120], found[31, 30], found[90, 60], found[0, 0]) == (1, 2, 3, 0)
    assert found.max() == 3


def test_touching_discs_are_split_at_their_neck():
    found = instances.segment(discs((50, 60), (84, 60)), COUNT)
    assert found.max() == 2
    left, right = np.nonzero(found == 1)[1], np.nonzero(found == 2)[1]
    assert {int(left.max()), int(right.min())} <= {66, 67, 68}
    assert len(left) == pytest.approx(len(right), rel=0.05)


@pytest.mark.parametrize("axes", [(30, 12), (20, 20), (28, 18)])
def test_one_ellipse_is_one_cell(axes):
    labels = np.zeros((120, 160), np.uint8)
    cv2.ellipse(labels, (80, 60), axes, 30, 0, 360, 1, cv2.FILLED)
    assert instances.segment(labels, COUNT).max() == 1


def test_a_cluster_is_split_and_a_small_bump_is_not_a_cell():
    labels = discs((40, 40), (78, 40), (59, 73), (120, 90))
    cv2.rectangle(labels, (76, 80), (104, 84), 1, cv2.FILLED)  # a bridge to the fourth
    cv2.circle(labels, (20, 30), 4, 1, cv2.FILLED)
    found = instances.segment(labels, COUNT)
    assert [int(found[y, x]) for x, y in ((40, 40), (78, 40), (59, 73), (120, 90))] == [1, 2, 3, 4]
    assert found.max() == 4
    assert ((found > 0) == (labels > 0)).all()
    assert labels[51, 59] == 0  # a gap between three cells is not a pale centre


def test_a_large_ragged_blot_is_fast():
    labels = np.ones((2000, 2000), np.uint8)
    labels[::100, :1000] = 0
    labels[1000:1900, 1500:1600] = 0
    began = time.perf_counter()
    assert instances.segment(labels, COUNT).max() >= 1
    assert time.perf_counter() - began < 20


def test_border_splits_cells_and_returns_to_the_nearest():
    labels = discs((50, 60), (75, 60))
    labels[:, 61:65][labels[:, 61:65] == 1] = 2
    found = instances.segment(labels, COUNT)
    assert found.max() == 2
    assert (found > 0).sum() == (labels > 0).sum()
    assert set(np.unique(found[55:65, 61])) == {1}
    assert set(np.unique(found[55:65, 64])) == {2}


def test_border_without_a_cell_is_dropped():
    labels = discs((50, 60))
    labels[10:20, 100:130] = 2
    assert instances.segment(labels, COUNT)[10:20, 100:130].max() == 0


def test_small_pieces_are_dropped():
    labels = discs((50, 60))
    cv2.circle(labels, (50, 60), 15, 0, cv2.FILLED)
    cv2.circle(labels, (50, 60), 5, 1, cv2.FILLED)
    cv2.circle(labels, (120, 60), 3, 1, cv2.FILLED)
    labels[labels > 0] = 2  # all nucleus
    assert instances.segment(labels, WHITE).max() == 2
    assert instances.segment(labels, WHITE, min_area=10).max() == 2
    assert instances.segment(labels, WHITE, min_area=100).max() == 1


def test_pieces_much_smaller_than_the_typical_cell_are_dropped():
    labels = discs((50, 60), (110, 60))
    for x in range(5, 155, 15):  # more specks than cells
        cv2.circle(labels, (x, 10), 5, 1, cv2.FILLED)
    assert instances.segment(labels, COUNT).max() == 2
    assert COUNT.measure(labels)["cells"] == 2
    lymphocyte = discs((50, 60))
    cv2.circle(lymphocyte, (110, 60), 8, 1, cv2.FILLED)  # 0.16 of the other's area
    assert instances.segment(lymphocyte, WHITE).max() == 2


def test_a_speck_that_the_border_joins_to_a_cell_becomes_its_part():
    labels = discs((50, 60))
    cv2.rectangle(labels, (68, 55), (76, 65), 1, cv2.FILLED)
    labels[:, 69:71] = np.where(labels[:, 69:71], 2, 0)
    found = instances.segment(labels, COUNT)
    assert found.max() == 1
    assert ((found > 0) == (labels > 0)).all()


def test_a_hole_does_not_split_a_cell():
    labels = discs((50, 60))
    cv2.circle(labels, (50, 60), 14, 0, cv2.FILLED)
    found = instances.segment(labels, COUNT)
    assert found.max() == 1


def test_a_picture_full_of_cell_or_of_nothing():
    assert instances.segment(np.ones((50, 50), np.uint8), COUNT).min() == 1
    assert instances.segment(np.zeros((50, 50), np.uint8), COUNT).max() == 0
    assert instances.measure(np.zeros((5, 5), np.uint16), np.zeros((5, 5), np.uint8), COUNT) == []


def test_measures_of_a_disc():
    labels = discs((50, 60))
    (cell,) = instances.measure(instances.segment(labels, COUNT), labels, COUNT)
    assert (cell.x, cell.y) == (50, 60)
    assert (cell.left, cell.top, cell.width, cell.height) == (30, 40, 41, 41)
    assert cell.area_px == (labels == 1).sum()
    assert cell.diameter_px == pytest.approx(2 * RADIUS, rel=0.01)
    assert cell.circularity == pytest.approx(1, abs=0.05)
    assert cell.eccentricity == pytest.approx(0, abs=0.1)
    assert not cell.at_edge
    assert cell.area_um2 is cell.diameter_um is None
    assert (cell.nucleus_area_px, cell.kind) == (0, "red")


def test_a_nucleus_makes_a_white_cell_and_a_stain_does_not():
    labels = discs((50, 60), (150, 60))
    labels[50:70, 40:60] = labels[55:60, 145:150] = 3
    found = instances.measure(instances.segment(labels, COUNT), labels, COUNT)
    assert [cell.kind for cell in found] == ["white", "red"]
    assert found[0].nucleus_area_px == 400


def test_a_long_ellipse_is_less_circular():
    labels = np.zeros((120, 160), np.uint8)
    cv2.ellipse(labels, (80, 60), (40, 20), 0, 0, 360, 1, cv2.FILLED)
    (cell,) = instances.measure(instances.segment(labels, COUNT), labels, COUNT)
    assert cell.eccentricity == pytest.approx(0.75**0.5, abs=0.02)  # sqrt(1 - (b/a)^2)
    assert cell.circularity == pytest.approx(0.84, abs=0.04)  # perimeter 193.8 (Ramanujan)


def test_nucleus_and_micrometres():
    labels = discs((50, 60))
    cv2.circle(labels, (50, 60), 10, 2, cv2.FILLED)
    found = instances.segment(labels, WHITE)
    (cell,) = instances.measure(found, labels, WHITE, um_per_pixel=0.5)
    assert cell.area_px == (labels > 0).sum()
    assert cell.nucleus_area_px == (labels == 2).sum()
    assert cell.nucleus_ratio == cell.nucleus_area_px / cell.area_px
    assert cell.area_um2 == cell.area_px / 4
    assert cell.diameter_um == cell.diameter_px / 2
    assert cell.nucleus_area_um2 == cell.nucleus_area_px / 4


@pytest.mark.parametrize("centre", [(10, 60), (150, 60), (80, 10), (80, 110)])
def test_cells_cut_by_the_edge_are_marked(centre):
    labels = discs(centre)
    (cell,) = instances.measure(instances.segment(labels, COUNT), labels, COUNT)
    assert cell.at_edge


def test_summary_counts_as_segment_does_where_a_border_parts():
    labels = discs((50, 60), (75, 60), (130, 30))
    labels[:, 61:65][labels[:, 61:65] == 1] = 2
    labels[3:6, 3:6] = 1
    found = COUNT.measure(labels)
    assert found["cells"] == instances.segment(labels, COUNT).max() == 3
    assert found["cell area share"] == (labels > 0).mean()
    assert found["mean diameter"] == pytest.approx(38.8, abs=1)


def test_summary_of_white_cells_has_the_nucleus_ratio():
    labels = discs((50, 60))
    labels[50:60, 50:60] = 2
    assert WHITE.measure(labels)["nucleus ratio"] == 100 / (labels > 0).sum()
    assert WHITE.measure(np.zeros((20, 20), np.uint8)) == {
        "cells": 0,
        "cell area share": 0,
        "mean diameter": 0,
        "nucleus ratio": 0,
    }


def test_columns_of_the_table_are_the_fields():
    labels = discs((50, 60))
    (cell,) = instances.measure(instances.segment(labels, COUNT), labels, COUNT)
    assert list(asdict(cell))[:4] == ["id", "x", "y", "left"]
    assert all(type(v) in (int, float, bool, str, type(None)) for v in asdict(cell).values())


def test_errors_of_counting():
    labels = discs((50, 60))
    with pytest.raises(BadInput, match="'lanes'"):
        instances.segment(labels, LANES)
    with pytest.raises(BadInput, match="wanted the same shape"):
        instances.measure(np.zeros((5, 6), np.uint16), labels, COUNT)
    with pytest.raises(BadInput, match="wanted a number above 0"):
        instances.measure(labels.astype(np.uint16), labels, COUNT, um_per_pixel=0)


def test_more_cells_than_ids(monkeypatch):
    monkeypatch.setattr(instances, "MOST", 1)
    with pytest.raises(BadInput, match="2 cells in one picture"):
        instances.segment(discs((30, 30), (120, 30)), COUNT)
