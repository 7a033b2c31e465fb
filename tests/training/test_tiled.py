"""Training of a network that takes tiles: crops at the picture's scale, labels at its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lanes.errors import BadConfig
from lanes.images.resize import Resize
from lanes.training import bias
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training.augment import Augment
from lanes.training.checkpoint import Checkpoint
from lanes.training.labelling import labeller
from lanes.types import Measure, Sample

TILE = (64, 96)


def sample(size):
    """Checks of 8 pixels in every array, so that any change of scale shows."""
    rows, columns = np.indices(size) // 8
    checks = ((rows + columns) % 2).astype(np.uint8)
    image = np.repeat(checks[..., None] * 255, 3, 2)
    return Sample(image, checks, instances=checks.astype(np.uint16) * 1000)


def still(make_config, area):
    light = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "blur": 0.0}
    return Augment(make_config(mode="tile", crop_area=area, crop_ratio=[1.5, 1.5], **light))


def width_of_checks(labels):
    """The mean distance of two edges along the rows."""
    edges = np.count_nonzero(np.diff(labels.astype(int), axis=1), axis=1)
    return labels.shape[1] / np.median(edges)


@pytest.mark.parametrize("size", [(64, 96), (200, 300), (500, 120), (30, 40), (1, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_crops_keep_the_pictures_scale_whatever_its_size(make_config, size, seed):
    torch.manual_seed(seed)
    got = still(make_config, [1.0, 1.0])(sample(size))
    assert got.image.shape == (*TILE, 3)
    assert got.targets.shape == got.instances.shape == TILE
    np.testing.assert_array_equal(got.image[..., 0], got.targets * 255)
    np.testing.assert_array_equal(got.instances, got.targets.astype(int) * 1000)
    if min(size) >= 64:
        assert width_of_checks(got.targets) == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize(("area", "width"), [(0.25, 16), (2.25, 16 / 3)])
def test_a_crops_area_sets_the_scale(make_config, area, width):
    torch.manual_seed(0)
    got = still(make_config, [area, area])(sample((300, 400)))
    assert width_of_checks(got.targets) == pytest.approx(width, rel=0.15)


def test_crops_come_from_everywhere(make_config):
    augment = still(make_config, [1.0, 1.0])
    picture = (np.indices((300, 400))[1] // 2).astype(np.uint8)
    whole = Sample(np.repeat(picture[..., None], 3, 2), picture)
    lefts = {int(augment(whole).targets.min()) for _ in range(30)}
    assert min(lefts) < 30
    assert max(lefts) > 100


def test_the_checkpoints_labels_are_at_the_pictures_size(make_config):
    class Bright(torch.nn.Module):
        def forward(self, images):
            grey = images.float().mean(-1)
            return torch.stack([128 - grey, grey - 128, torch.full_like(grey, -999)], 1)

    label = labeller(Bright(), make_config(mode="tile"))
    for size in ((64, 96), (300, 210), (20, 30)):
        image = sample(size).image
        np.testing.assert_array_equal(label(image), image[..., 0] > 128)


def test_a_bias_is_fitted_on_whole_pictures(make_config, monkeypatch):
    size = (70, 130)

    class Pictures:
        TASK, TARGETS = "lanes", np.eye(4, dtype=bool)
        MEASURES = {"drivable": Measure(targets=(1,), classes=(1,))}

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return replace(sample(size), instances=None)

    seen = []

    def network(images):
        seen.append(tuple(images.shape))
        grey = images.float().mean(-1) / 100 - 1
        never = torch.full_like(grey, -100)
        return torch.stack([torch.full_like(grey, 1.9), grey, never, never], 1)

    monkeypatch.setattr(checkpoints, "network_of", lambda checkpoint: network)
    monkeypatch.setattr(bias.mix, "open_all", lambda *_: {"pictures": Pictures()})
    config = replace(make_config(mode="tile"), logit_bias=())
    fitted = bias.fit_bias(Checkpoint(config, {"pictures": ""}, 1, 1, {}, {}, {}, {}, {}))
    assert seen == [(1, 96, 160, 3)]
    # 1.9 against 1.55 where it is bright: class 1 needs more than 0.35 to be seen at all.
    assert 0.35 < fitted[1] < 2.9


def test_the_card_says_so(make_config):
    assert make_config(mode="tile").resize == Resize(TILE, mode="tile")
    assert make_config().resize == Resize(TILE)


def test_another_mode_is_an_error():
    values = {"task": "lanes", "model": "fcn_lite", "size": [64, 96], "weights": {"synthetic": 1.0}}
    with pytest.raises(BadConfig, match="mode has no 'tiles'; it has stretch, tile; did you mean"):
        configs.from_dict({**values, "mode": "tiles"})
