"""Shapes of instances, against scikit-image and by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lanes.cells.shapes import shapes_of


def blobs(size=(200, 300), seed=3):
    """Ellipses and a pixel, some at the edge, with ids that are not consecutive."""
    rng = np.random.default_rng(seed)
    instances = np.zeros(size, np.uint16)
    for number in range(1, 24, 2):
        centre = int(rng.integers(300)), int(rng.integers(200))
        axes = int(rng.integers(3, 30)), int(rng.integers(3, 30))
        cv2.ellipse(instances, centre, axes, float(rng.uniform(0, 180)), 0, 360, number, cv2.FILLED)
    instances[100, 150] = 60
    return instances


def test_shapes_agree_with_scikit_image():
    measure = pytest.importorskip("skimage.measure")
    instances = blobs()
    nuclei = np.zeros(instances.shape, bool)
    nuclei[:, :150] = True
    found = shapes_of(instances, nuclei)
    wanted = measure.regionprops(instances)
    assert [shape.id for shape in found] == [region.label for region in wanted]
    for shape, region in zip(found, wanted, strict=True):
        top, left, bottom, right = region.bbox
        assert shape.area == region.area
        assert shape.box == (left, top, right - left, bottom - top)
        assert (shape.y, shape.x) == pytest.approx(region.centroid)
        assert shape.eccentricity == pytest.approx(region.eccentricity, abs=1e-6)
        assert shape.perimeter == pytest.approx(region.perimeter_crofton)
        assert shape.nucleus == nuclei[region.slice][region.image].sum()


def test_a_square_by_hand():
    instances = np.zeros((10, 12), np.uint16)
    instances[2:6, 3:7] = 7
    (shape,) = shapes_of(instances)
    assert (shape.area, shape.x, shape.y, shape.box) == (16, 4.5, 3.5, (3, 2, 4, 4))
    assert shape.eccentricity == 0
    # 4 + 4 rows and columns, 7 + 7 diagonals.
    assert shape.perimeter == pytest.approx(math.pi / 4 * (8 + 14 / math.sqrt(2)))
    assert shape.nucleus is None


def test_no_instances_no_shapes():
    assert shapes_of(np.zeros((5, 6), np.uint16)) == []
