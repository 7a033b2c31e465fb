"""An architecture with the normalisation that it was trained with: uint8 images to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lanes import plugins
from lanes.errors import BadConfig


class Network(nn.Module):
    """`forward`: images uint8 (N, H, W, 3) BGR -> logits (N, C, H, W). Trained and exported as one.

    `mean` and `std` are per channel, 0..255; they live in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, images: Tensor) -> Tensor:
        x = (images.float() - self.mean) / self.std
        logits: Tensor = self.model(x.permute(0, 3, 1, 2))
        return logits


def build(
    name: str,
    classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    options: dict[str, object] | None = None,
) -> Network:
    """The architecture `models/<name>.py` with its normalisation.

    Raises:
        UnknownName: there is no such file.
        BadConfig: it takes no such `options`.
    """
    make = plugins.load("models", name).build
    try:
        model: nn.Module = make(classes, **(options or {}))
    except (TypeError, ValueError) as error:
        raise BadConfig(f"model_options {options} do not suit models/{name}.py: {error}") from error
    return Network(model, mean, std)
