"""Exported models as first weights: the network computes what the file computes."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from lanes import assets, segmenter
from lanes import card as cards
from lanes.datasets import _samples
from lanes.errors import BadConfig
from lanes.images.resize import resize_image
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training import from_onnx, loop
from lanes.training.budget import Budget


def config_of(card):
    """The configuration of a model's run; settings of older runs are left out."""
    numbers = {k: v for k, v in card.training["config"].items() if k not in checkpoints.RETIRED}
    return configs.from_dict({**numbers, "logit_bias": ()}, card.name)


def opened(name):
    """A model's folder, card and configuration, and eight pictures of its task."""
    folder = assets.model_folder(name)
    card = cards.read(folder)
    pictures = [resize_image(f, card.resize) for f in _samples.of_task(card.task, 8)]
    return folder, card, config_of(card), np.stack(pictures)


@pytest.mark.parametrize("name", ["lanes-fcn-lite", "lanes-tiny", "lanes-segnet-lite"])
def test_the_network_labels_as_the_file_does(name):
    folder, card, config, pictures = opened(name)
    network = checkpoints.build(config)
    from_onnx.fill(network, config, folder, pictures)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(pictures))
        # In training, batch normalisation uses the batch's own statistics: here the same pictures'.
        in_training = network.train()(torch.from_numpy(pictures))
    classes = len(card.classes)
    bias = np.zeros(len(logits[0]), np.float32)
    bias[:classes] = card.training["config"].get("logit_bias") or 0
    labels = (logits + torch.from_numpy(bias)[:, None, None])[:, :classes].argmax(1).numpy()
    with segmenter.load(name, "onnxruntime") as loaded:
        wanted = np.stack([loaded.result(loaded.submit_resized(p)) for p in pictures])
    assert (labels == wanted).mean() > 0.999
    assert torch.nn.functional.mse_loss(in_training, logits) < 0.01 * logits.var()


def test_classes_are_matched_by_name(tmp_path):
    folder, card, config, pictures = opened("lanes-tiny")
    swapped = tmp_path / "swapped"
    shutil.copytree(folder, swapped)
    replace(card, classes=("background", "lane line", "a third", "a fourth")).write(swapped)
    networks = [checkpoints.build(config) for _ in range(2)]
    from_onnx.fill(networks[0], config, folder, pictures)
    from_onnx.fill(networks[1], config, swapped, pictures)
    first, second = (network.model.classify.weight for network in networks)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[2]), "our lane line is their second class"


def test_another_architecture_is_refused():
    folder, _, config, pictures = opened("lanes-tiny")
    for changes in ({"model": "fcn", "model_options": {}}, {"model_options": {}}):
        other = replace(config, **changes)
        with pytest.raises(BadConfig, match=r"lanes-tiny is a \('fcn_lite', .*wants"):
            from_onnx.fill(checkpoints.build(other), other, folder, pictures)


def test_a_run_begins_with_an_included_model(tmp_path):
    card = opened("lanes-tiny")[1]
    config = replace(config_of(card), batch=1, class_weights=(1.0, 1.0, 1.0, 1.0), workers=0)
    data = {"synthetic": ""}
    run = loop.Run(config, data, Budget(1), tmp_path, Fabric(devices=1))
    run.begin_with_model(assets.model_folder("lanes-tiny"))
    assert run.before == [asdict(use) for use in card.data]
    with torch.no_grad():
        parts = next(run.batches())
        assert float(run.loss(parts[0], run.totals(parts))) < 1.0
