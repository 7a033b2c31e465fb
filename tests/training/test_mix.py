"""Mixed data sets: offsets of target ids, draws by weight, contradictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from lanes.errors import BadConfig, BadDataset, UnknownName
from lanes.training import mix
from lanes.types import Sample


class Some:
    """`count` samples of 2 rows; `taught` by a teacher that is sure of class 2."""

    TASK = "lanes"
    TARGETS = np.array([[1, 1, 0], [0, 0, 1]], bool)
    MEASURES = {}

    def __init__(self, count, taught=False, target=1):
        self.count, self.taught, self.target = count, taught, target

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        shape = (2, 3)
        soft = None
        if self.taught:
            soft = np.zeros((3, *shape), np.uint8)
            soft[2] = 255
        return Sample(np.zeros((*shape, 3), np.uint8), np.full(shape, self.target, np.uint8), soft)


def same(sample, size=None, background=None, lines=()):
    return sample


def test_target_ids_stand_behind_those_of_the_sets_before():
    datasets = {"a": Some(2), "b": Some(3, taught=True)}
    samples, _ = mix.mixed(datasets, {"a": 1.0, "b": 1.0}, same)
    assert len(samples) == 5
    assert samples[0]["targets"].unique().tolist() == [1]
    assert samples[4]["targets"].unique().tolist() == [4]
    assert samples[4]["targets"].dtype == torch.uint8
    assert "soft" not in samples[0]
    assert samples[4]["soft"][2].unique().tolist() == [255]
    table = mix.table_of(datasets)
    np.testing.assert_array_equal(table[4], datasets["b"].TARGETS[1])


def test_covered_pixels_are_background_only():
    def cover(sample, size, background, lines):
        return replace(sample, targets=np.full_like(sample.targets, background))

    datasets = {"a": Some(1), "b": Some(1)}
    samples, _ = mix.mixed(datasets, {"a": 1.0, "b": 1.0}, cover)
    for sample in samples:
        (row,) = sample["targets"].unique().tolist()
        assert mix.table_of(datasets)[row].tolist() == [True, False, False]


def test_weights_are_of_data_sets_not_of_samples():
    datasets = {"small": Some(1), "large": Some(9)}
    _, draws = mix.mixed(datasets, {"small": 3.0, "large": 1.0, "absent": 5.0}, same)
    drawn = Counter(draw.sample == 0 for draw in islice(mix.Draws(draws, seed=0), 4000))
    assert 0.72 < drawn[True] / 4000 < 0.78


def test_a_single_data_set_needs_no_weight():
    _, draws = mix.mixed({"mine": Some(2)}, {"other": 3.0}, same)
    assert draws == [0.5, 0.5]


def test_groups_weigh_alike():
    some = Some(4)
    some.groups = ["a", "a", "a", "b"]
    assert mix.shares(some) == pytest.approx([1 / 6] * 3 + [1 / 2])
    some.groups = ["a"]
    with pytest.raises(BadDataset, match="1 groups for 4 samples"):
        mix.shares(some)


def test_draws_go_on_without_end_and_a_seed_fixes_them():
    draws = mix.Draws([1.0] * 1000, seed=4)
    first, again = (list(islice(draws, 3000)) for _ in range(2))
    assert first == again
    assert first != list(islice(mix.Draws([1.0] * 1000, seed=5), 3000))
    indices = [draw.sample for draw in first]
    assert indices[:1024] != indices[1024:2048]
    assert [draw.number for draw in first] == list(range(3000))


@pytest.mark.parametrize("start", [0, 1, 1023, 1024, 2500])
def test_draws_begin_wherever_a_run_goes_on(start):
    whole = list(islice(mix.Draws([1.0, 2.0, 3.0] * 9, seed=1), 3000))
    assert (
        list(islice(mix.Draws([1.0, 2.0, 3.0] * 9, seed=1, first=start), 100))
        == (whole[start : start + 100])
    )


def test_randomness_in_a_sample_depends_only_on_its_draw():
    class Random:
        def __getitem__(self, index):
            return {"images": torch.rand(3)}

    samples = mix.Drawn(Random(), seed=3)
    before = torch.get_rng_state()
    first, second = samples[mix.Draw(0, 5)], samples[mix.Draw(0, 6)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(samples[mix.Draw(9, 5)]["images"], first["images"])
    assert not torch.equal(first["images"], second["images"])
    assert not torch.equal(mix.Drawn(Random(), seed=4)[mix.Draw(0, 5)]["images"], first["images"])


def test_a_batch_has_soft_maps_where_a_sample_has_one():
    samples, _ = mix.mixed({"a": Some(1), "b": Some(1, taught=True)}, {"a": 1.0, "b": 1.0}, same)
    assert "soft" not in mix.together([samples[0], samples[0]])
    batch = mix.together([samples[0], samples[1]])
    assert batch["soft"].dtype == torch.uint8
    assert batch["soft"].shape == (2, 3, 2, 3)
    assert batch["soft"].amax((1, 2, 3)).tolist() == [0, 255]


def test_a_soft_map_of_other_classes_is_reported():
    samples, _ = mix.mixed({"a": Some(1, taught=True)}, {"a": 1.0}, same)
    samples.datasets[0].dataset.TARGETS = np.ones((2, 5), bool)
    with pytest.raises(BadDataset, match="soft map of sample 0"):
        samples[0]


@pytest.mark.parametrize(
    ("datasets", "weights", "error", "words"),
    [
        ({"a": Some(1), "b": Some(1)}, {"b": 1.0}, BadConfig, "weights has no 'a'"),
        ({"a": Some(1)}, {"a": 0.0}, BadConfig, "0 for every data set"),
        ({"a": Some(0)}, {"a": 1.0}, BadDataset, "a is empty"),
    ],
)
def test_contradictions_are_reported(datasets, weights, error, words):
    with pytest.raises(error, match=words):
        mix.mixed(datasets, weights, same)


def test_a_target_outside_the_table_is_reported():
    samples, _ = mix.mixed({"a": Some(1, target=2)}, {"a": 1.0}, same)
    with pytest.raises(BadDataset, match="holds the target 2"):
        samples[0]


def test_a_row_of_no_class_is_reported():
    nothing = Some(1)
    nothing.TARGETS = np.zeros((2, 3), bool)
    with pytest.raises(BadDataset, match="allows no class"):
        mix.table_of({"a": nothing})


def test_opening_reports_other_tasks_and_names(data):
    assert list(mix.open_all(data, "train", "lanes")) == ["image_folder"]
    with pytest.raises(BadConfig, match="'lanes'.*'cakes'"):
        mix.open_all(data, "train", "cakes")
    with pytest.raises(UnknownName, match="image_folder"):
        mix.open_all({"image_foldr": ""}, "train", "lanes")
    with pytest.raises(BadConfig, match="NAME=ROOT"):
        mix.open_all({}, "train", "lanes")
