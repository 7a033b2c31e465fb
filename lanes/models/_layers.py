"""The layers of a network with their shapes, parameters and cost.

Cost follows the usual convention: two operations per multiply-add in convolutions (dense, grouped
or transposed) and matrix products; everything else is negligible and ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

GIGA = 1e9


@dataclass(frozen=True)
class Layer:
    """One layer: its name in the network, its kind, and its cost per image.

    `shape` is the shape of its output (channels, height, width).
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    gflop: float


def layers(network: nn.Module, size: tuple[int, int]) -> list[Layer]:
    """The layers of `network` in execution order, for one image (1, height, width, 3) uint8.

    Computes nothing: moves the network to torch's "meta" device and leaves it there.
    """
    network = network.to("meta").eval()
    found: list[Layer] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(module: nn.Module, given: Any, made: Tensor) -> None:
            parameters = sum(p.numel() for p in module.parameters())
            cost = _cost(module, given[0], made)
            kind = type(module).__name__
            found.append(Layer(name, kind, tuple(made.shape[1:]), parameters, cost))

        return note

    leaves = [(n, m) for n, m in network.named_modules() if not list(m.children())]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.inference_mode():
            network(torch.zeros((1, *size, 3), dtype=torch.uint8, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def gflop(network: nn.Module, size: tuple[int, int]) -> float:
    """Billions of operations per image of `size` (height, width); see `layers`."""
    return sum(layer.gflop for layer in layers(network, size))


def _cost(module: nn.Module, given: Tensor, made: Tensor) -> float:
    if isinstance(module, nn.ConvTranspose2d):
        return 2 * module.weight.numel() * given.shape[-2] * given.shape[-1] / GIGA
    if isinstance(module, nn.Conv2d):
        return 2 * module.weight.numel() * made.shape[-2] * made.shape[-1] / GIGA
    if isinstance(module, nn.Linear):
        return 2 * module.weight.numel() / GIGA
    return 0.0
