"""Start a training run from an exported model: its ONNX file back into a network's weights.

Exporting folds each batch normalisation into the convolution before it. Unfolding sets the
normalisation's running statistics to those of the run's own images, and its scale and shift to undo
them: the network computes what the file computes, in evaluation and, on such images, in training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from lanes import tasks
from lanes.card import ONNX, ModelCard
from lanes.errors import BadConfig
from lanes.models import _network
from lanes.models._network import Network
from lanes.training.config import TrainConfig
from lanes.types import ImageBatch

Convolution = nn.Conv2d | nn.ConvTranspose2d


def fill(
    network: Network, config: TrainConfig, folder: Path, card: ModelCard, images: ImageBatch
) -> None:
    """Load the weights of the exported model in `folder` into `network`, built from `config`.

    A class is matched by its name; a class that the model does not know keeps its random weights.
    `images` (N, H, W, 3), of the run's data and at its input size, give the statistics of batch
    normalisation.

    Raises:
        BadConfig: the model's weights do not fit the architecture.
    """
    if card.architecture != config.model:
        raise BadConfig(
            f"--init: {card.name} is a {card.architecture}, the configuration wants "
            f"{config.model}: change one of them"
        )
    graph = onnx.load(folder / ONNX).graph
    file = _File(folder, {t.name: numpy_helper.to_array(t) for t in graph.initializer})
    ours = tasks.load(config.task).class_names
    matched = [(index, card.classes.index(n)) for index, n in enumerate(ours) if n in card.classes]
    axes = _class_axes(network, config)
    for name, module in network.named_modules():
        if isinstance(module, Convolution):
            values = file.get(f"network.{name}.weight")
            _copy(module.weight, values, axes[f"{name}.weight"], matched)
    network.mean.copy_(torch.from_numpy(file.get("network.mean")))
    network.std.copy_(torch.from_numpy(file.get("network.std")))
    _unfold(network, file, axes, matched, images)


class _File:
    """The named weights of an ONNX file."""

    def __init__(self, folder: Path, weights: dict[str, NDArray[Any]]) -> None:
        self.folder, self.weights = folder, weights

    def get(self, *names: str) -> NDArray[Any]:
        """The weights of the first of `names` in the file; raises `BadConfig` if it has none."""
        for name in names:
            if name in self.weights:
                return self.weights[name].astype(np.float32)
        raise BadConfig(
            f"--init: {self.folder / ONNX} holds no {names[0]}: it has other model_options than "
            "the configuration, or another program exported it; begin with a checkpoint (.pt)"
        )

    def bias(self, name: str) -> NDArray[Any] | None:
        """The bias of the convolution `name`, with its normalisation's; None if it has none."""
        for key in (f"network.{name}.weight_bias", f"network.{name}.bias"):
            if key in self.weights:
                return self.weights[key].astype(np.float32)
        return None


def _class_axes(network: Network, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """The axes of each parameter that list the classes: those that grow with one more class."""
    more = len(tasks.load(config.task).classes) + 1
    grown = _network.build(
        config.model, more, config.mean, config.std, dict(config.model_options)
    ).state_dict()
    return {
        name: tuple(
            axis
            for axis, (ours, theirs) in enumerate(zip(values.shape, grown[name].shape, strict=True))
            if ours != theirs
        )
        for name, values in network.state_dict().items()
        if name in grown
    }


def _copy(
    parameter: Tensor,
    values: NDArray[Any],
    class_axes: tuple[int, ...],
    matched: list[tuple[int, int]],
) -> None:
    """Copy `values` into `parameter`, by `matched` pairs (ours, theirs) along the class axes."""
    ours, theirs = [], []
    for axis, (new, old) in enumerate(zip(parameter.shape, values.shape, strict=True)):
        if axis in class_axes:
            pairs = matched
        elif new == old:
            pairs = [(index, index) for index in range(new)]
        else:
            raise BadConfig(
                f"--init: the model has weights of shape {values.shape} where the configuration "
                f"wants {tuple(parameter.shape)}: use the model's own model_options"
            )
        ours.append([index for index, _ in pairs])
        theirs.append([index for _, index in pairs])
    with torch.no_grad():
        parameter[np.ix_(*ours)] = torch.from_numpy(values[np.ix_(*theirs)])


def _unfold(
    network: Network,
    file: _File,
    axes: dict[str, tuple[int, ...]],
    matched: list[tuple[int, int]],
    images: ImageBatch,
) -> None:
    """Set the biases, and each batch normalisation to what it does in the file, on `images`."""
    outputs: dict[int, str] = {}
    names = {module: name for name, module in network.named_modules()}

    def remember(module: nn.Module, _: Any, output: Tensor) -> None:
        outputs[id(output)] = names[module]

    def set_normalisation(module: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        (found,) = inputs
        variance, mean = torch.var_mean(found, dim=(0, 2, 3), correction=0)
        shift = file.bias(outputs[id(found)])
        module.running_mean, module.running_var = mean, variance
        module.weight.copy_(torch.sqrt(variance + module.eps))
        module.bias.copy_(mean + (0 if shift is None else torch.from_numpy(shift)))

    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, Convolution):
            hooks.append(module.register_forward_hook(remember))
            if module.bias is not None and (values := file.bias(name)) is not None:
                _copy(module.bias, values, axes[f"{name}.bias"], matched)
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(set_normalisation))
    training = network.training
    with torch.no_grad():
        network.eval()(torch.from_numpy(images))
    network.train(training)
    for hook in hooks:
        hook.remove()
