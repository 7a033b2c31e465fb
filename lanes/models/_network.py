"""An architecture with its input normalisation: uint8 images to logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lanes import plugins
from lanes.errors import BadConfig


class Network(nn.Module):
    """Images uint8 (N, H, W, 3) BGR -> logits (N, C, H, W); the unit of training and export.

    `mean` and `std` are per channel, 0..255, and part of the state dict.
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
        """Add one number per class to the logits, after training.

        Menon et al. 2021 (arXiv:2007.07314): class weights in the loss make rare classes learnable
        but over-predicted, which a bias corrects. The architecture's `add_to_logits` folds it into
        a layer at no cost; a separate addition at full resolution took 2 of 17 ms in OpenVINO.

        Raises:
            BadConfig: the architecture has no such method.
        """
        method = getattr(self.model, "add_to_logits", None)
        if method is None:
            name = type(self.model).__name__
            raise BadConfig(f"logit_bias: {name} has no add_to_logits; leave logit_bias out")
        method(torch.tensor(bias))

    def load_pretrained(self) -> None:
        """Start from the encoder's ImageNet weights, by the architecture's `load_pretrained`.

        Raises:
            BadConfig: the architecture has no such method.
            MissingDependency, BadInput: the weights are not available; the error names the cure.
        """
        method = getattr(self.model, "load_pretrained", None)
        if method is None:
            name = type(self.model).__name__
            raise BadConfig(f"pretrained: {name} has no pretrained weights; leave pretrained out")
        method()

    @property
    def encoder(self) -> nn.ModuleList:
        """The modules that turn a picture into features: `encoder`, or those named in `ENCODER`."""
        names = getattr(self.model, "ENCODER", ("encoder",))
        return nn.ModuleList(
            getattr(self.model, name) for name in names if hasattr(self.model, name)
        )

    def parameter_groups(self, encoder_rate: float) -> list[dict[str, Any]]:
        """Parameter groups for an optimiser, each with a factor "scale" on the learning rate.

        The factor is `encoder_rate` for the `encoder`, 1 for the rest.
        """
        inside = {id(p) for p in self.encoder.parameters()}
        if encoder_rate == 1 and hasattr(self.model, "ENCODER"):
            inside = set()  # one group, as checkpoints without an encoder's rate have it
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
        BadConfig: the architecture does not accept `options`.
    """
    make = plugins.load("models", name).build
    try:
        model: nn.Module = make(classes, **(options or {}))
    except (TypeError, ValueError) as error:
        raise BadConfig(f"model_options {options} do not fit models/{name}.py: {error}") from error
    return Network(model, mean, std)
