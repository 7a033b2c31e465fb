"""Start a training run from an exported model, whose batch normalisations are folded away.

`settle` gives each of them the statistics of the run's own images, and the scale and shift that
undo them: the network computes the same in evaluation and, on such images, in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lanes import card as cards
from lanes import tasks
from lanes.backends import torch as exported
from lanes.errors import BadConfig
from lanes.models import _network
from lanes.models._network import Network
from lanes.training.config import TrainConfig
from lanes.types import ImageBatch


def fill(network: Network, config: TrainConfig, folder: Path, images: ImageBatch) -> None:
    """Load the weights of the model in `folder` into `network`, built from `config`.

    A class is matched by its name; a class that the model does not know keeps its random weights.
    `images` (N, H, W, 3) are of the run's data and at its input size.

    Raises:
        BadConfig: the model has another architecture.
        BadModel: the folder is no model that lanes exported.
    """
    card = cards.read(folder)
    theirs = card.architecture, card.training.get("config", {}).get("model_options")
    ours = config.model, dict(config.model_options)
    if theirs != ours:
        raise BadConfig(f"--init: {card.name} is a {theirs}, the configuration wants {ours}")
    source = exported.network_of(folder)
    settle(source, images)
    copy_matching(network, config, source.state_dict(), card.classes)


def copy_matching(
    network: Network, config: TrainConfig, given: Mapping[str, Tensor], classes: Sequence[str]
) -> None:
    """Copy the state `given`, of the same architecture but for `classes`, into `network`.

    Classes are matched by name; others keep their random weights.
    """
    names = tasks.load(config.task).class_names
    matched = [(index, classes.index(n)) for index, n in enumerate(names) if n in classes]
    axes = _class_axes(network, config)
    for name, values in network.state_dict().items():
        _copy(values, given[name], axes[name], matched)


def settle(network: Network, images: ImageBatch) -> None:
    """Set each batch normalisation's statistics to those of `images`; keep what it computes."""

    def set_statistics(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - scale * norm.running_mean
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
        norm.bias.copy_(shift + scale * mean)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(set_statistics) for norm in norms]
    with torch.no_grad():
        network.eval()(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()


def _class_axes(network: Network, config: TrainConfig) -> dict[str, list[int]]:
    """The axes of each tensor that list the classes: those that grow with one more class."""
    classes = len(tasks.load(config.task).classes)
    options: dict[str, Any] = dict(config.model_options)
    grown = _network.build(config.model, classes + 1, config.mean, config.std, options)
    pairs = zip(network.state_dict().items(), grown.state_dict().values(), strict=True)
    return {
        name: [axis for axis, size in enumerate(values.shape) if size != more.shape[axis]]
        for (name, values), more in pairs
    }


def _copy(values: Tensor, given: Tensor, axes: list[int], matched: list[tuple[int, int]]) -> None:
    """Copy `given` into `values`, by the `matched` pairs (ours, theirs) along the class `axes`."""
    if not axes:
        values.copy_(given)
        return
    every = [[(index, index) for index in range(size)] for size in values.shape]
    pairs = [matched if axis in axes else whole for axis, whole in enumerate(every)]
    ours = np.ix_(*([our for our, _ in axis] for axis in pairs))
    theirs = np.ix_(*([their for _, their in axis] for axis in pairs))
    values[ours] = given[theirs]
