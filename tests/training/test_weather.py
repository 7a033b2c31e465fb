"""Weather changes the picture alone; bars and bonnets also the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lanes.training import config as configs
from lanes.training.augment import Augment
from lanes.training.weather import Weather
from lanes.types import Sample

KINDS = ("rain", "glare", "dark", "jpeg", "bars", "bonnet")


@pytest.fixture
def sample():
    random = np.random.default_rng(0)
    image = random.integers(90, 160, (64, 96, 3), np.uint8)
    targets = np.ones((64, 96), np.uint8)
    soft = np.full((2, 64, 96), 127, np.uint8)
    return Sample(image, targets, soft, np.ones((64, 96), np.uint16))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_what_it_should(make_config, sample, kind, seed):
    before = sample.image.copy()
    torch.manual_seed(seed)
    got = Weather(make_config(**{kind: 1.0}))(sample, background=0)
    assert got.image.dtype == np.uint8
    assert got.image.shape == before.shape
    assert (got.image != before).any()
    np.testing.assert_array_equal(sample.image, before)
    if kind in ("bars", "bonnet"):
        hidden = got.targets == 0
        assert 0.02 < hidden.mean() < 0.6
        assert (got.soft[:, hidden] == 0).all()
        assert (got.instances[hidden] == 0).all()
        assert (got.image[hidden] <= 70).all()
        np.testing.assert_array_equal(got.image[~hidden], before[~hidden])
    else:
        np.testing.assert_array_equal(got.targets, sample.targets)
    # Without a background row nothing may be covered.
    nothing = Weather(make_config(bars=1.0, bonnet=1.0))(sample, background=None)
    np.testing.assert_array_equal(nothing.image, before)


def test_by_default_there_is_none_and_a_size_may_be_given(make_config, sample):
    assert all(getattr(make_config(), kind) == 0 for kind in KINDS)
    state = torch.get_rng_state()
    np.testing.assert_array_equal(Weather(make_config())(sample, 0).image, sample.image)
    assert torch.equal(torch.get_rng_state(), state)
    assert Augment(make_config())(sample, (32, 48)).soft.shape == (2, 32, 48)


def test_sizes_come_back_from_plain_values(make_config):
    config = make_config(sizes=[[0, [32, 64]], [0.5, [64, 96]]])
    assert configs.from_dict(config.to_dict()) == config
    assert [config.size_at(s) for s in (0, 0.49, 0.5, 2)] == [(32, 64)] * 2 + [(64, 96)] * 2
    assert make_config().size_at(0.3) == (64, 96)
