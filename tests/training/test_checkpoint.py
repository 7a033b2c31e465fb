"""Checkpoints: written atomically, read safely; other files are refused."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from lanes.errors import BadConfig, BadInput
from lanes.training import checkpoint as checkpoints
from lanes.training.checkpoint import Checkpoint


@pytest.fixture
def saved(make_config, tmp_path):
    config = make_config()
    network, ema = checkpoints.build(config), checkpoints.build(config)
    checkpoint = Checkpoint(
        config=config,
        data={"image_folder": "x"},
        step=3,
        steps=6,
        network=network.state_dict(),
        ema=ema.state_dict(),
        optimizer={"state": {}, "param_groups": []},
        metrics={"a iou": 0.5},
        run={"skipped": 0, "seconds": 1.5, "best": 0.5, "precision": "32-true"},
    )
    path = tmp_path / "deep" / "last.pt"
    checkpoint.save(path)
    return checkpoint, path


def test_a_checkpoint_comes_back_as_it_was(saved):
    checkpoint, path = saved
    loaded = checkpoints.load(path)
    assert loaded.config == checkpoint.config
    assert (loaded.step, loaded.steps, loaded.data) == (3, 6, {"image_folder": "x"})
    assert (loaded.metrics, loaded.run) == (checkpoint.metrics, checkpoint.run)
    assert [p.name for p in path.parent.iterdir()] == ["last.pt"]


def test_the_averaged_weights_are_the_default(saved):
    loaded = checkpoints.load(saved[1])
    for ema, weights in ((True, saved[0].ema), (False, saved[0].network)):
        network = checkpoints.network_of(loaded, ema)
        assert not network.training
        assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(BadInput, match="no checkpoint .*none.pt"):
        checkpoints.load(tmp_path / "none.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken", b"\x80\x04"])
def test_another_file_is_reported(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(BadInput, match="x.pt"):
        checkpoints.load(tmp_path / "x.pt")


@pytest.mark.parametrize("values", [torch.zeros(3), [1], {"config": 3}, {"weights": torch.ones(2)}])
def test_another_torch_file_is_reported(tmp_path, values):
    torch.save(values, tmp_path / "x.pt")
    with pytest.raises(BadInput, match="x.pt is not a checkpoint"):
        checkpoints.load(tmp_path / "x.pt")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil-was-here",)


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"config": Evil()}, "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(BadInput, match="not loaded"):
            checkpoints.load(tmp_path / name)
    assert not (tmp_path / "evil-was-here").exists()


def test_a_configuration_of_the_future_is_reported(saved):
    path = saved[1]
    values = torch.load(path, weights_only=True)
    values["config"]["warp"] = 9
    torch.save(values, path)
    with pytest.raises(BadConfig, match="'warp'"):
        checkpoints.load(path)


def test_weights_of_another_architecture_are_reported(saved):
    checkpoint, _ = saved
    checkpoint.ema.pop("mean")
    with pytest.raises(BadInput, match="do not fit models/fcn_lite.py"):
        checkpoints.network_of(checkpoint)
