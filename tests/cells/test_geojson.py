"""Outlines of cells as GeoJSON."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from lanes import tasks
from lanes.cells.geojson import END, HEAD, JOINT, feature, ring_of
from lanes.cells.instances import measure

COUNT = tasks.load("cell_count")


def found():
    instances = np.zeros((80, 120), np.uint16)
    cv2.circle(instances, (30, 40), 20, 1, cv2.FILLED)
    instances[10:30, 70:110] = 2
    instances[70, 100] = 3
    return instances, measure(instances, (instances > 0).astype(np.uint8), COUNT)


def test_each_cell_is_a_closed_ring_of_its_area():
    instances, cells = found()
    for cell in cells:
        ring = ring_of(instances, cell)
        assert ring[0] == ring[-1]
        area = cv2.contourArea(np.array(ring, np.float32))
        # The ring lies a quarter of a pixel inside.
        assert area == pytest.approx(cell.area_px, rel=0.06, abs=0.8), cell.id
    xs, ys = np.array(ring_of(instances, cells[1])).T
    assert (xs.min(), ys.min()) == (70.25, 10.25)
    assert (xs.max(), ys.max()) == (109.75, 29.75)


def test_the_collection_is_json_with_kinds_and_measures():
    instances, cells = found()
    texts = [json.dumps(feature(instances, cell)) for cell in cells]
    again = json.loads(HEAD + JOINT.join(texts) + END)
    assert again["type"] == "FeatureCollection"
    first = again["features"][1]
    assert first["geometry"]["type"] == "Polygon"
    assert first["properties"]["classification"] == {"name": "red"}
    assert first["properties"]["measurements"]["area_px"] == 800
    assert "area_um2" not in first["properties"]["measurements"]
    assert json.loads(HEAD + END)["features"] == []


def test_a_ring_of_a_part_lies_where_the_part_does():
    instances, cells = found()
    part = instances[5:60, 65:130]
    assert ring_of(part, cells[1], (5, 65)) == ring_of(instances, cells[1])
