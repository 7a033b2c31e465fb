"""An architecture with the normalisation that it was trained with: uint8 images to logits."""

from __future__ import annotations

from typing import Any

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

    def add_to_logits(self, bias: tuple[float, ...]) -> None:
        """Add one number a class to the logits, after training.

        Menon et al. 2021 (arXiv:2007.07314): class weights in the loss make rare classes learnable,
        and also too eager, which a bias takes back. The architecture's own `add_to_logits` does it
        where it costs nothing: at full resolution it took 2 of 17 ms in OpenVINO.

        Raises:
            BadConfig: the architecture has no such method.
        """
        method = getattr(self.model, "add_to_logits", None)
        if method is None:
            name = type(self.model).__name__
            raise BadConfig(f"logit_bias: {name} has no add_to_logits; leave logit_bias out")
        method(torch.tensor(bias))

    def load_pretrained(self) -> None:
        """Begin with the encoder's ImageNet weights, by the architecture's own `load_pretrained`.

        Raises:
            BadConfig: the architecture has no such method.
            MissingDependency, BadInput: the weights are not at hand; the error names the cure.
        """
        method = getattr(self.model, "load_pretrained", None)
        if method is None:
            name = type(self.model).__name__
            raise BadConfig(f"pretrained: {name} has no pretrained weights; leave pretrained out")
        method()

    def parameter_groups(self, encoder_rate: float) -> list[dict[str, Any]]:
        """What an optimiser trains: "params" with a factor "scale" on the learning rate.

        It is `encoder_rate` for the module `encoder` of the architecture, 1 for all else.
        """
        encoder = getattr(self.model, "encoder", nn.Module())
        inside = {id(p) for p in encoder.parameters()}
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if id(p) not in inside], "scale": 1.0},
            {"params": [p for p in trained if id(p) in inside], "scale": encoder_rate},
        ]
        return [group for group in groups if group["params"]]


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
