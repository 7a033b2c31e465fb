"""The contract of every data set; a new plug-in is tested automatically."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from lanes import plugins, tasks
from lanes.errors import BadDataset, UnknownName

NAMES = plugins.names("datasets")


@pytest.fixture(params=NAMES)
def opened(request, make_root):
    module = plugins.load("datasets", request.param)
    return module, make_root(request.param)


def test_the_module_states_its_contents(opened):
    module, _ = opened
    assert module.TARGETS.dtype == bool
    assert module.TARGETS.any(1).all()
    assert isinstance(module.TERMS, str)
    assert module.TERMS
    assert module.__doc__


def test_samples_fit_the_table_and_the_task(opened):
    module, root = opened
    for split in ("train", "choose", "val"):
        dataset = module.open(root, split)
        classes = len(tasks.load(dataset.TASK).classes)
        assert dataset.TARGETS.shape[1] == classes
        assert len(dataset) > 0
        sample = dataset[len(dataset) - 1]
        assert sample.image.dtype == sample.targets.dtype == np.uint8
        assert sample.image.shape == (*sample.targets.shape, 3)
        assert sample.targets.max() < len(dataset.TARGETS)
        if sample.soft is not None:
            assert sample.soft.shape == (classes, *sample.targets.shape)


def test_measures_name_rows_and_classes_that_exist(opened):
    module, root = opened
    dataset = module.open(root, "val")
    assert dataset.MEASURES
    for measure in dataset.MEASURES.values():
        assert measure.targets
        assert measure.classes
        assert max(measure.targets) < dataset.TARGETS.shape[0]
        assert max(measure.classes) < dataset.TARGETS.shape[1]


def test_choose_is_a_part_of_train_that_training_never_sees(opened):
    module, root = opened
    if getattr(module, "NEEDS_NO_FILES", False):
        pytest.skip("its splits are drawn from seeds")
    train, choose = (names(module.open(root, split)) for split in ("train", "choose"))
    assert train
    assert choose
    assert not train & choose


def names(dataset):
    for attribute in ("images", "frames", "pairs"):
        if hasattr(dataset, attribute):
            return {str(entry) for entry in getattr(dataset, attribute)}
    raise AssertionError("how does this data set keep its files?")


def test_an_unknown_split_is_an_error(opened):
    module, root = opened
    with pytest.raises(UnknownName, match="train"):
        module.open(root, "exam")


def test_a_root_that_is_missing_is_an_error(opened, tmp_path):
    module, _ = opened
    if getattr(module, "NEEDS_NO_FILES", False):
        pytest.skip("it reads no files")
    with pytest.raises(BadDataset, match="nowhere"):
        module.open(tmp_path / "nowhere", "train")


@pytest.mark.parametrize("name", NAMES)
def test_modules_without_files_draw_the_demo_of_their_task(name):
    module = plugins.load("datasets", name)
    if not getattr(module, "NEEDS_NO_FILES", False):
        pytest.skip(f"{name} reads files")
    assert len(module.open("", "val", 2)) == 2
    frames = module.demo(3, (96, 128), Fraction(25))
    for image, labels in islice(frames, 2):
        assert image.shape == (96, 128, 3)
        assert labels.shape == (96, 128)
        assert labels.max() < len(tasks.load(module.TASK).classes)
