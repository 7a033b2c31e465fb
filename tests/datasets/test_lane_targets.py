"""Targets of pixels from teachers and truth, by hand; the cache; the data sets that use it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes.datasets import _lane_targets, bdd100k, road_marks, tusimple
from lanes.datasets._lane_targets import NO, SIZE, TARGETS, YES, Answer, read, targets_of, truth
from lanes.errors import BadDataset
from lanes.training import mix

YES_VALUE, UNSURE, NO_VALUE = 255, 128, 0


def answer(*spans, unsure=()):
    """Yes in the columns of `spans`, unsure in those of `unsure`, no elsewhere; (20, 640)."""
    yes, no = np.zeros((20, 640), bool), np.ones((20, 640), bool)
    for first, last in spans:
        yes[:, first:last], no[:, first:last] = True, False
    for first, last in unsure:
        no[:, first:last] = False
    return Answer(yes, no)


def sets(targets, column):
    return set(np.flatnonzero(TARGETS[targets[10, column]]).tolist())


def test_all_sets_are_in_the_table_once():
    assert len({tuple(row) for row in TARGETS}) == len(TARGETS) == 15
    assert TARGETS[-1].all()
    assert TARGETS.any(1).all()


def test_sure_answers_give_one_class():
    found = targets_of(answer((100, 104)), answer((100, 104), (300, 304)), answer((50, 400)))
    assert [sets(found, x) for x in (20, 60, 102, 302)] == [{0}, {1}, {2}, {3}]


def test_paint_far_from_any_line_may_be_ground():
    found = targets_of(answer((100, 120)), answer((124, 127), (300, 304)), answer((50, 400)))
    # Within 6 px of the line it is a lane line; further away, a crossing or an arrow.
    assert sets(found, 119) == {2}
    assert sets(found, 110) == {1, 2}


def test_the_rim_of_a_line_next_to_paint_may_be_ground():
    found = targets_of(answer((100, 104)), answer((96, 120)), answer((50, 400)))
    assert sets(found, 98) == sets(found, 106) == {1, 3}
    assert sets(found, 115) == {3}


def test_unsure_answers_add_their_class():
    nothing, road = answer(), answer((0, 640))
    unsure = answer(unsure=[(100, 200)])
    assert sets(targets_of(unsure, nothing, road), 150) == {1, 2}
    assert sets(targets_of(nothing, unsure, road), 150) == {1, 3}
    assert sets(targets_of(nothing, nothing, unsure), 150) == {0, 1}
    assert sets(targets_of(unsure, unsure, unsure), 150) == {0, 1, 2, 3}
    assert sets(targets_of(unsure, answer((140, 160)), road), 150) == {2, 3}


def test_distances_grow_with_the_picture():
    paint, line = np.zeros((2, 20, 1280), bool)
    paint[:, 200:208], line[:, 218:222] = True, True
    road = truth(np.ones((20, 1280), bool))
    found = targets_of(truth(paint), truth(line), road)
    assert sets(found, 207) == {2}  # 11 px away, 6 at 640 wide


def write(cache, name, stem, paint=0, line=0, drivable=255):
    """A cache file of the channels' values: numbers or maps (360, 640)."""
    channels = [np.broadcast_to(np.asarray(v, np.uint8), SIZE) for v in (paint, line, drivable)]
    path = _lane_targets.cache_file(cache, name, stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.stack(channels, -1))
    return path


def test_the_cache_is_read_at_the_frames_size(tmp_path):
    line = np.zeros(SIZE, np.uint8)
    line[:, 100:104] = YES_VALUE
    write(tmp_path, "some", "a", UNSURE, line, NO_VALUE)
    found = read(tmp_path, "some", "a", (720, 1280))
    assert found.line.yes.shape == (720, 1280)
    assert found.line.yes[300, 203]
    assert not found.paint.yes.any()
    assert not found.paint.no.any()
    assert found.drivable.no.all()
    assert NO < UNSURE / 255 < YES


def test_a_line_across_the_road_is_unsure(tmp_path):
    line = np.zeros(SIZE, np.uint8)
    line[200:204, 100:400] = YES_VALUE
    cv2.line(line, (300, 350), (500, 220), YES_VALUE, 4)
    write(tmp_path, "some", "a", line=line)
    found = read(tmp_path, "some", "a", SIZE).line
    assert not found.yes[202, 200]
    assert not found.no[202, 200]
    assert found.yes[285, 400]


def test_a_wrong_cache_is_reported(tmp_path):
    with pytest.raises(BadDataset, match="cannot be read: No such file"):
        read(tmp_path, "some", "a", SIZE)
    path = write(tmp_path, "some", "a")
    cv2.imwrite(str(path), np.zeros(SIZE, np.uint8))
    with pytest.raises(BadDataset, match="run lanes teach again"):
        read(tmp_path, "some", "a", SIZE)


@pytest.mark.parametrize("module", [bdd100k, tusimple, road_marks])
def test_sets_learn_from_a_cache(module, make_root, tmp_path):
    name = module.__name__.rpartition(".")[2]
    root, cache = make_root(name), tmp_path / "cache"
    for stem in module.open(root, "train").frames_by_stem():
        write(cache, name, stem, NO_VALUE, NO_VALUE, UNSURE)
    opened = mix.open_all({name: str(root)}, "train", "lanes", str(cache))[name]
    bare = module.open(root, "train")
    np.testing.assert_array_equal(opened.TARGETS, TARGETS)
    np.testing.assert_array_equal(bare.TARGETS, module.TARGETS)
    found = {tuple(TARGETS[row].astype(int)) for row in np.unique(opened[0].targets)}
    ground, both = {(1, 0, 0, 0), (0, 1, 0, 0)}, (1, 1, 0, 0)
    wanted = {
        "bdd100k": ground,
        "tusimple": {both, (0, 0, 0, 1)},
        "road_marks": {both, (0, 0, 1, 0)},
    }
    assert found == wanted[name]


def test_outside_the_ring_far_dashes_may_be_paint():
    paint = np.zeros((72, 128), bool)
    paint[30:40, 60:64] = True
    unsure = Answer(np.zeros_like(paint), np.zeros_like(paint))
    nowhere = Answer(np.zeros_like(paint), np.ones_like(paint))
    taught = _lane_targets.Taught(unsure, nowhere, truth(np.ones_like(paint)))
    rows = road_marks.taught_targets(paint, taught)
    found = [set(np.flatnonzero(TARGETS[rows[35, x]]).tolist()) for x in (62, 66, 100)]
    assert found == [{2}, {1}, {1, 2}]
