"""The fitted bias undoes a skew, and stays where the labels are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lanes.errors import BadConfig
from lanes.training import bias
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training.checkpoint import Checkpoint
from lanes.types import Measure, Sample

SIZE = (16, 16)


class Halves:
    """The upper half of each picture is dark and background, the lower bright and drivable."""

    TASK, TARGETS = "lanes", np.eye(4, dtype=bool)
    MEASURES = {"drivable": Measure(targets=(1,), classes=(1,))}

    def __len__(self):
        return 2

    def __getitem__(self, index):
        image = np.zeros((*SIZE, 3), np.uint8)
        image[8:] = 200
        return Sample(image, (image[..., 0] > 0).astype(np.uint8))


class Brightness(nn.Module):
    """Logits 0, brightness and -100: class 1 where the input is above 0."""

    def forward(self, x):
        bright = x.mean(1, keepdim=True)
        never = torch.full_like(bright, -100)
        return torch.cat([torch.zeros_like(bright), bright, never, never], 1)


@pytest.fixture
def checkpoint(monkeypatch):
    """A checkpoint of a network that maps dark to -1 and bright to 1."""
    config = configs.from_dict(
        {"task": "lanes", "model": "naive", "size": list(SIZE), "weights": {"halves": 1.0}}
    )

    def network_of(checkpoint):
        given = torch.tensor(checkpoint.config.logit_bias)[:, None, None]
        return lambda images: Brightness()(images.permute(0, 3, 1, 2) / 100 - 1) + given

    monkeypatch.setattr(checkpoints, "network_of", network_of)
    monkeypatch.setattr(bias.mix, "open_all", lambda *_: {"halves": Halves()})
    return Checkpoint(config, {"halves": ""}, 1, 1, {}, {}, {}, {}, {})


def test_a_skew_is_undone(checkpoint):
    skewed = checkpoints.with_logit_bias(checkpoint, (0.0, -1.5, 0.0, 0.0))
    found = bias.fit_bias(skewed)
    assert found[0] == 0
    # Correct for each bias of class 1 between the dark's -1 and the bright's 1.
    assert -1 < found[1] < 1


def test_a_correct_bias_stays(checkpoint):
    assert bias.fit_bias(checkpoint) == (0.0, 0.0, 0.0, 0.0)


def test_a_bias_of_another_task_is_an_error(checkpoint):
    with pytest.raises(BadConfig, match="wanted 4 numbers"):
        checkpoints.with_logit_bias(checkpoint, (0.0,) * 11)
