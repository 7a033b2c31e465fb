"""Four interchangeable ways for a decoder to undo a 2x2 pooling with stride 2.

All have the same interface, `up(x, before)`: x (N, C, H, W) is upsampled to (N, C, 2H, 2W);
`before` (N, C, 2H, 2W) is the input of the pooling, which only max unpooling uses.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lanes.errors import UnknownName
from lanes.models._blocks import bilinear_kernel_, double
from lanes.plugins import unknown


def pool(x: Tensor) -> Tensor:
    """The maximum of each 2x2 window of (N, C, 2H, 2W)."""
    return F.max_pool2d(x, 2)


def first_maximum(before: Tensor) -> Tensor:
    """1 where `pool` found the maximum of each 2x2 window of (N, C, 2H, 2W), 0 elsewhere.

    Ties go to the first in row-major order, as in torch. There is exactly one position per window
    in any precision, because the ranks 0..7 are exact in all. No gradient; NaN is not supported.
    """
    height, width = before.shape[-2:]
    with torch.no_grad():
        order = torch.tensor([[3, 2], [1, 0]], dtype=before.dtype, device=before.device)
        is_maximum = (before == _repeat(pool(before))).to(before.dtype)
        rank = is_maximum * 4 + order.repeat(height // 2, width // 2)
        return (rank == _repeat(pool(rank))).to(before.dtype)


class BedOfNails(nn.Module):
    """Puts each value at the top left of its 2x2 window, zeros elsewhere."""

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        nail = torch.tensor([[1, 0], [0, 0]], dtype=x.dtype, device=x.device)
        return _repeat(x) * nail.repeat(x.shape[-2:])


class MaxUnpool(nn.Module):
    """Puts each value where the pooling found the maximum, zeros elsewhere.

    Zeiler & Fergus 2014 (arXiv:1311.2901); Badrinarayanan et al. 2017 (arXiv:1511.00561). The same
    as `nn.MaxUnpool2d`, including gradients, but from standard operations: torch exports its own as
    ScatterND, which slowed a network from 9 to 230 ms in OpenVINO, and TensorRT has no MaxUnpool.
    """

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return _repeat(x) * first_maximum(before)


class Bilinear(nn.Module):
    """Interpolates linearly between the values, which sit at the centres of their 2x2 windows."""

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return double(x)


class Transposed(nn.Module):
    """A transposed convolution (Zeiler et al. 2010), initialised as bilinear.

    A `kernel` of 3 gives (N, C, 2H - 1, 2W - 1), a `kernel` of 4 exactly twice the size.
    """

    def __init__(self, channels: int, kernel: int = 4) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, kernel, stride=2, padding=1, bias=False)
        bilinear_kernel_(self.conv.weight)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        enlarged: Tensor = self.conv(x)
        return enlarged


WAYS = ("bed_of_nails", "max_unpooling", "bilinear", "transposed")


def way_up(name: str, channels: int) -> nn.Module:
    """The module `name` of `WAYS`, for maps with `channels`.

    Raises:
        UnknownName: there is no such way.
    """
    match name:
        case "bed_of_nails":
            return BedOfNails()
        case "max_unpooling":
            return MaxUnpool()
        case "bilinear":
            return Bilinear()
        case "transposed":
            return Transposed(channels)
    raise UnknownName(unknown("upsample", name, list(WAYS)))


def _repeat(x: Tensor) -> Tensor:
    """Repeat each value four times: (N, C, H, W) to (N, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
