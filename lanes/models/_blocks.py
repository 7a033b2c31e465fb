"""Building blocks shared by several architectures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation (Ioffe & Szegedy 2015), ReLU; "same" padding."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """The basic block of ResNet (He et al. 2016): two dense 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Bottleneck(nn.Module):
    """ResNet's bottleneck with a dilated 3x3 convolution, for context at little cost."""

    def __init__(self, channels: int, inner: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(channels, inner, kernel=1),
            conv_bn(inner, inner, dilation=dilation),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def bilinear_kernel_(weight: Tensor) -> None:
    """Initialise a transposed convolution's weight (I, O, K, K), I >= O, to bilinear upsampling.

    Long et al. 2015 (arXiv:1411.4038), section 3.3: learned upsampling starts as bilinear.
    """
    size = weight.shape[-1]
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - (torch.arange(size, dtype=torch.float32) - centre).abs() / factor
    with torch.no_grad():
        weight.zero_()
        for channel in range(min(weight.shape[0], weight.shape[1])):
            weight[channel, channel] = line[:, None] * line[None, :]


def double(x: Tensor) -> Tensor:
    """Upsample (N, C, H, W) to (N, C, 2H, 2W) bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) at the bottom and right with edge values to multiples of `multiple`."""
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x
