"""The data sets of drawn smears: their samples, and the border class."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from lanes.datasets import _cells, synthetic_cells, synthetic_smear
from lanes.errors import UnknownName

MODULES = pytest.mark.parametrize("module", [synthetic_smear, synthetic_cells])


@MODULES
def test_a_sample_has_instances_and_targets_that_agree(module):
    dataset = module.open("", "train", count=2)
    assert len(dataset) == 2
    assert dataset.TASK == module.TASK
    sample = dataset[1]
    assert sample.image.shape == (*module.SIZE, 3)
    assert sample.instances.dtype == np.uint16
    cell = module.TARGETS[:, 1:].any(1) & (np.arange(len(module.TARGETS)) != _cells.GAP)
    np.testing.assert_array_equal(sample.instances > 0, cell[sample.targets])
    assert dataset[1] is sample


@MODULES
def test_samples_are_the_same_each_time_and_differ_between_splits(module):
    one, again = module.open("", "val", 1)[0], module.open("", "val", 1)[0]
    np.testing.assert_array_equal(one.image, again.image)
    assert (one.image != module.open("", "choose", 1)[0].image).any()


@MODULES
def test_the_demo_is_of_the_size_that_is_asked_for(module):
    for image, labels in islice(module.demo(5, (90, 120), Fraction(25)), 2):
        assert image.shape == (90, 120, 3)
        assert labels.shape == (90, 120)
        assert labels.max() <= 2


@MODULES
@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_out_of_range_is_an_error(module, index):
    with pytest.raises(IndexError):
        module.open("", "val", count=5)[index]


@MODULES
def test_an_unknown_split_is_an_error(module):
    with pytest.raises(UnknownName, match="train"):
        module.open("", "test")


def test_a_border_is_where_another_cell_is_near():
    instances = np.zeros((7, 16), np.uint16)
    instances[1:6, 1:6], instances[1:6, 6:10], instances[1:6, 13:15] = 1, 2, 65535
    targets = _cells.targets_of(instances, reach=1)
    np.testing.assert_array_equal((targets > 0) & (targets < 3), instances > 0)
    np.testing.assert_array_equal(targets[3], [0, 1, 1, 1, 1, 2, 2, 1, 1, 1, 0, 0, 0, 1, 1, 0])
    # Over a gap of three pixels, a reach of four sees the other cell.
    assert (_cells.targets_of(instances, reach=4)[3, 9], targets[3, 9]) == (2, 1)
    assert not _cells.targets_of(np.zeros((4, 4), np.uint16)).any()
