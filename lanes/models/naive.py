"""Convolutions at full resolution: the simplest segmentation network, and its cost.

Without downsampling, every layer works on every pixel, yet the last one sees only 13 x 13 of them.
That is why Long, Shelhamer & Darrell (CVPR 2015, arXiv:1411.4038) and their successors downsample
and upsample again. 0.05 M parameters, 16.3 GFLOP at 480x360.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.models._blocks import conv_bn


class Naive(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); `layers` convolutions of `channels`."""

    def __init__(self, classes: int, channels: int = 32, layers: int = 6) -> None:
        super().__init__()
        sources = (3, *[channels] * (layers - 1))
        self.body = nn.Sequential(*(conv_bn(source, channels) for source in sources))
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.body(x))
        return logits

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits."""
        assert self.classify.bias is not None
        self.classify.bias = nn.Parameter(self.classify.bias + bias)


def build(classes: int, **options: Any) -> Naive:
    """The network with random weights; `options` are further arguments of `Naive`."""
    return Naive(classes, **options)
