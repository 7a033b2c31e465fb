"""PyTorch eager: the network as trained, the reference for all engines.

A model folder holds no checkpoint. The card names the architecture and its options, and the ONNX
file keeps the parameters under their names; only batch normalisation is gone, folded into the
convolution before it, whose new bias is named `<weight>_bias`. So this backend rebuilds the
architecture and fills it strictly: a parameter without a value, or a value without a parameter, is
an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Import torch first, so that a missing dependency names `[train]`, which has onnx too.
# isort: split
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from lanes import card as cards
from lanes.backends import _engine
from lanes.errors import BadConfig, BadModel, UnknownName
from lanes.models import _network
from lanes.models._network import Network
from lanes.plugins import unknown
from lanes.types import ImageBatch

PRECISIONS = ("fp32", "bf16")
ROOT = "network."
"""Prefix of all parameter names in the ONNX file; its other values are constants."""
FOLDED = "_bias"


class TorchBackend(_engine.ThreadedEngine):
    """See `lanes.types.Backend`; bf16 is autocast, as in training."""

    name = library = "torch"

    def __init__(
        self,
        network: Network,
        device: torch.device,
        precision: str,
        shape: tuple[int, ...],
        scores: bool = False,
    ) -> None:
        """Run `network` on images of `shape` (1, H, W, 3)."""
        super().__init__(str(device), precision, shape)
        self.network = network.to(device).eval()
        self.where, self.scores = device, scores

    def _run(self, begun: ImageBatch) -> Sequence[NDArray[Any]]:
        half = torch.autocast(self.where.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), half:
            logits: Tensor = self.network(torch.tensor(begun, device=self.where))
            outputs = [logits.argmax(1).to(torch.uint8)]
            if self.scores:
                outputs.append(logits.float().softmax(1).half())
            return [output.cpu().numpy() for output in outputs]


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """The precisions of `device`; bf16 is slow on a CPU without hardware support for it."""
    _known(device)
    return PRECISIONS


def load(
    folder: Path,
    precision: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
    scores: bool = False,
) -> TorchBackend:
    """Load the network of `folder`; `threads` applies to all of torch in this process.

    See `lanes.backends.load`. "auto" is fp32.
    """
    where = _known(device)
    _engine.check_precision("torch", precision, PRECISIONS)
    network = network_of(folder)
    if threads:
        torch.set_num_threads(threads)
    height, width = cards.read(folder).resize.size
    precision = "fp32" if precision == "auto" else precision
    return TorchBackend(network, where, precision, (1, height, width, 3), scores)


def network_of(folder: Path) -> Network:
    """The network of a model folder, with the parameters of its ONNX file.

    Exporting folds each batch normalisation into the convolution before it; here it only adds the
    bias.

    Raises:
        BadModel: the file cannot be read, or contradicts the card.
    """
    path = _engine.onnx_path(folder)
    graph = _graph(path)
    _engine.check_network(path, _kinds(graph.input), _kinds(graph.output))
    return _filled(folder, path, graph)


def _known(device: str) -> torch.device:
    """The device of that name; raises `UnknownName` if this machine does not have it."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    known = ["cpu"]
    if accelerator:
        numbers = range(torch.accelerator.device_count())
        known += [accelerator.type, *(f"{accelerator.type}:{n}" for n in numbers)]
    if device.lower() not in known:
        raise UnknownName(unknown("backend torch on this machine", device.lower(), known))
    return torch.device(device.lower())


def _graph(path: Path) -> Any:
    try:
        return onnx.load(path).graph
    except DecodeError as error:
        raise BadModel(f"onnx cannot read {path} ({error}): {cards.CURE}") from error


def _kinds(values: Any) -> list[_engine.TensorKind]:
    kinds = [value.type.tensor_type for value in values]
    return [
        (
            onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
            [dim.dim_value or dim.dim_param for dim in kind.shape.dim],
        )
        for kind in kinds
    ]


def _filled(folder: Path, path: Path, graph: Any) -> Network:
    """The network of the card with the parameters from the ONNX file.

    Raises:
        BadModel: the card does not say how to build it, or the parameters do not match.
    """
    card = cards.read(folder)
    config = card.training.get("config")
    if not isinstance(config, dict):
        raise BadModel(
            f"{folder / cards.CARD} has no training.config, which torch needs to build the "
            f"network: {cards.CURE}"
        )
    try:
        network = _network.build(
            card.architecture,
            len(card.classes),
            tuple(config["mean"]),
            tuple(config["std"]),
            config["model_options"],
        )
        if config["logit_bias"]:
            network.add_to_logits(tuple(config["logit_bias"]))
    except (UnknownName, BadConfig, LookupError, TypeError, RuntimeError) as error:
        raise BadModel(f"torch cannot build the network of {folder}: {error}") from error
    given = {tensor.name: tensor for tensor in graph.initializer if tensor.name.startswith(ROOT)}
    state = _state(network, given, f"models/{card.architecture}.py", path)
    network.load_state_dict(state)
    return network


def _state(network: Network, given: dict[str, Any], architecture: str, path: Path) -> Any:
    """The state of `network` with the values `given`; raises `BadModel` if they do not match."""
    left = dict(given)
    state: dict[str, Tensor] = {}
    wanted = network.state_dict()
    for conv, norm, module in _normalised(network):
        if bias := left.pop(f"{ROOT}{conv}.weight{FOLDED}", None):
            state.update({f"{norm}.{k}": v for k, v in _only_adding(module, bias).items()})
    for name, tensor in wanted.items():
        if name not in state:
            value = left.pop(ROOT + name, None)
            if value is None:
                raise BadModel(f"{path} lacks {ROOT}{name}, which {architecture} has: {cards.CURE}")
            state[name] = _tensor(value)
        if state[name].shape != tensor.shape:
            raise BadModel(
                f"{path} has {ROOT}{name} of shape {tuple(state[name].shape)}, {architecture} "
                f"wants {tuple(tensor.shape)}: {cards.CURE}"
            )
    if left:
        raise BadModel(f"{path} has {min(left)}, which {architecture} does not have: {cards.CURE}")
    return state


def _normalised(network: nn.Module) -> Iterator[tuple[str, str, nn.BatchNorm2d]]:
    """Name of each convolution, name of the batch normalisation after it, and that module."""
    for name, sequence in network.named_modules():
        if isinstance(sequence, nn.Sequential):
            for (first, conv), (second, norm) in pairwise(sequence.named_children()):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield f"{name}.{first}", f"{name}.{second}", norm


def _only_adding(norm: nn.BatchNorm2d, bias: Any) -> dict[str, Tensor]:
    """A state that makes `norm` only add `bias`."""
    added = _tensor(bias)
    ones = torch.ones_like(added)
    return {
        "weight": ones,
        "bias": added,
        "running_mean": torch.zeros_like(added),
        "running_var": ones - norm.eps,
        "num_batches_tracked": torch.tensor(0),
    }


def _tensor(value: Any) -> Tensor:
    return torch.tensor(numpy_helper.to_array(value))
