"""The data set of drawn roads: lengths, shapes, splits that never share a seed."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.datasets import synthetic
from lanes.errors import UnknownName


def test_a_sample_is_an_image_with_targets():
    dataset = synthetic.open("", "train", count=3)
    assert len(dataset) == 3
    assert dataset.TASK == "lanes"
    sample = dataset[1]
    assert sample.image.shape == (360, 640, 3)
    assert sample.targets.shape == (360, 640)
    assert sample.image.dtype == sample.targets.dtype == np.uint8
    assert sample.targets.max() < len(dataset.TARGETS)


def test_samples_are_the_same_each_time_and_differ_between_splits():
    train, val = (synthetic.open("", split) for split in ("train", "val"))
    np.testing.assert_array_equal(train[0].image, train[0].image)
    assert (train[0].image != val[0].image).any()


def test_targets_name_one_class_each():
    np.testing.assert_array_equal(synthetic.TARGETS, np.eye(4, dtype=bool))


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_out_of_range_is_an_error(index):
    with pytest.raises(IndexError):
        synthetic.open("", "val", count=5)[index]


def test_an_unknown_split_is_an_error():
    with pytest.raises(UnknownName, match="train"):
        synthetic.open("", "test")
