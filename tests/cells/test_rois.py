"""ImageJ regions of cells, read back by roifile."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes import tasks
from lanes.cells import instances
from lanes.cells.rois import check_size, region
from lanes.errors import BadInput

roifile = pytest.importorskip("roifile")


def test_a_region_is_the_outline_of_its_cell():
    ids = np.zeros((90, 120), np.uint16)
    cv2.circle(ids, (40, 50), 20, 1, cv2.FILLED)
    ids[10:30, 70:110] = 2
    task = tasks.load("cell_count")
    cells = instances.measure(ids, (ids > 0).astype(np.uint8), task)
    for cell in cells:
        name, content = region(ids, cell)
        assert name == f"{cell.id:06d}-red.roi"
        roi = roifile.ImagejRoi.frombytes(content)
        assert roi.name == f"{cell.id:06d}-red"
        area = cv2.contourArea(roi.coordinates().astype(np.float32))
        assert area == pytest.approx(cell.area_px, rel=0.06)
    assert roi.coordinates().min(axis=0).tolist() == [70.25, 10.25]


def test_a_picture_beyond_the_reach_of_regions_is_refused():
    check_size((32_767, 100), "a.tif")
    with pytest.raises(BadInput, match="a.tif has 40000 x 100 pixels"):
        check_size((100, 40_000), "a.tif")
