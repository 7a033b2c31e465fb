"""A tiny data set that a tiny network learns in a few steps, and the settings of such a run."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
import torch

from lanes.training import config as configs

SIZE = (64, 96)
VALUES = {
    "task": "lanes",
    "model": "fcn_lite",
    "size": list(SIZE),
    "weights": {"image_folder": 1.0},
    "batch": 2,
    "learning_rate": 5e-3,
    "warmup_steps": 2,
    "ema_decay": 0.5,
    "precision": "32-true",
    "workers": 0,
    "validate_every": 3,
    "model_options": {
        "channels": [8, 8, 16, 16],
        "blocks": [0, 1],
        "dilations": [1, 2],
        "decoder": [8, 8],
    },
}


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """One thread: on a busy machine torch's threads wait ten times longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def environment():
    """The environment of a process that trains; in an empty cache, matplotlib lists all fonts."""
    return {key: value for key, value in os.environ.items() if key != "XDG_CACHE_HOME"}


@pytest.fixture
def values():
    """The configuration as TOML gives it."""
    return {**VALUES, "weights": dict(VALUES["weights"])}


@pytest.fixture
def make_config(values):
    return lambda **changes: configs.from_dict({**values, **changes})


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Twelve pictures for training: dark is background, grey is drivable, bright is line."""
    root = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 2)):
        for index in range(count):
            labels = np.zeros(SIZE, np.uint8)
            labels[24:] = 1
            at = int(random.integers(10, 80))
            labels[24:, at : at + 8] = 2
            image = (labels[..., None] * 100 + random.integers(0, 40, (*SIZE, 3))).astype(np.uint8)
            for folder, picture in (("images", image), ("labels", labels)):
                path = root / split / folder / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), picture)
    return root


@pytest.fixture
def data(root):
    return {"image_folder": str(root)}
