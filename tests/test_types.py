"""The records that modules exchange."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest

from lanes import plugins, tasks
from lanes.colour import YuvColour, empty_planes, from_bgr
from lanes.errors import LanesError
from lanes.types import Frame, Sample, Unit

BT601 = YuvColour("bt601", full_range=False)


@pytest.mark.parametrize("name", plugins.names("tasks"))
def test_tasks_keep_the_contract(name):
    task = tasks.load(name)
    assert task.name == name
    assert len(task.classes) >= 2
    assert len(set(task.class_names)) == len(task.classes)
    assert task.classes[0].alpha == 0.0, "the background is not drawn"
    for one in task.classes:
        assert len(one.colour) == 3
        assert all(0 <= value <= 255 for value in one.colour)
    for labels in (np.zeros((4, 6), np.uint8), np.full((4, 6), len(task.classes) - 1, np.uint8)):
        measures = task.measure(labels)
        assert measures
        assert all(isinstance(value, float) for value in measures.values())
        assert task.units.keys() <= measures.keys()
        assert all(0 <= v <= 1 for n, v in measures.items() if task.unit_of(n) is Unit.SHARE)


def test_lanes_measures_shares():
    labels = np.array([[0, 1], [1, 2]], np.uint8)
    assert tasks.load("lanes").measure(labels) == {
        "drivable share": 0.75,
        "lane line share": 0.25,
        "implied line share": 0.0,
    }


def test_lanes_counts_ignored_pixels_as_nothing():
    labels = np.array([[255, 1]], np.uint8)
    assert tasks.load("lanes").measure(labels)["drivable share"] == 0.5


def test_records_are_frozen():
    task = tasks.load("lanes")
    with pytest.raises(FrozenInstanceError):
        task.name = "other"
    sample = Sample(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    with pytest.raises(FrozenInstanceError):
        sample.soft = None


def test_frame_knows_its_size_and_time():
    frame = Frame(empty_planes((3, 5)), BT601, index=4, pts=1001, time_base=Fraction(1, 30000))
    assert frame.size == (3, 5)
    assert frame.seconds == pytest.approx(1001 / 30000)


def test_bgr_is_made_once():
    image = np.full((4, 6, 3), (10, 120, 200), np.uint8)
    frame = Frame(from_bgr(image, BT601), BT601, index=0, pts=0, time_base=Fraction(1, 25))
    assert frame.bgr is frame.bgr
    assert frame.bgr.shape == (4, 6, 3)
    assert np.abs(frame.bgr.astype(int) - image).max() <= 3


def test_every_error_is_one_of_ours_and_the_tree_names_it():
    from lanes import errors

    def children(kind):
        return [kind, *(c for child in kind.__subclasses__() for c in children(child))]

    ours = [kind for kind in children(LanesError) if kind.__module__ == "lanes.errors"]
    assert len(ours) >= 8
    for kind in ours:
        assert kind.__name__ in errors.__doc__


def test_bgr_is_the_picture_itself_until_it_is_drawn_on():
    image = np.full((4, 6, 3), (10, 200, 90), np.uint8)
    planes = from_bgr(image, BT601)
    frame = Frame(planes, BT601, index=0, pts=0, time_base=Fraction(1, 25), image=image)
    assert frame.bgr is image
    planes[0][:] = 16
    frame.drawn_on()
    assert frame.image is None
    assert frame.bgr.max() < 120
    assert (image == (10, 200, 90)).all()
