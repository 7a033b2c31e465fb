"""SegNet-lite: SegNet's idea at a hundredth of its cost, for real time on a CPU.

After Badrinarayanan, Kendall & Cipolla, "SegNet" (PAMI 2017, arXiv:1511.00561): only the pooling
indices go from the encoder to the mirrored decoder. It starts at 1/2, has residual blocks, dilated
context at 1/16, and only dense 3x3 convolutions in multiples of 16 channels, which come close to a
CPU's peak. 0.67 M parameters, 2.9 GFLOP at 480x360 (padded to 480x368); with transposed
convolutions 0.75 M and 3.1.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.models._blocks import Bottleneck, Residual, bilinear_kernel_, conv_bn, pad_to_multiple
from lanes.models._upsample import pool, way_up

STRIDE = 16


class SegNetLite(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 16.

    `channels` are the channels at 1/2, 1/4, 1/8 and 1/16; `blocks` the numbers of residual blocks
    at 1/4 and 1/8; `dilations` has one entry per block at 1/16. `upsample` is one of
    `_upsample.WAYS`; encoder and convolutions are the same for each.
    """

    def __init__(
        self,
        classes: int,
        channels: tuple[int, int, int, int] = (16, 32, 64, 128),
        blocks: tuple[int, int] = (1, 2),
        dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 4),
        upsample: str = "max_unpooling",
    ) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.to_half = conv_bn(3, half, stride=2)
        self.to_quarter = nn.Sequential(
            conv_bn(half, quarter), *(Residual(quarter) for _ in range(blocks[0]))
        )
        self.to_eighth = nn.Sequential(
            conv_bn(quarter, eighth), *(Residual(eighth) for _ in range(blocks[1]))
        )
        self.to_sixteenth = nn.Sequential(
            conv_bn(eighth, sixteenth),
            *(Bottleneck(sixteenth, sixteenth // 2, dilation) for dilation in dilations),
            conv_bn(sixteenth, eighth, kernel=1),
        )
        self.up_eighth = way_up(upsample, eighth)
        self.from_eighth = nn.Sequential(conv_bn(eighth, eighth), conv_bn(eighth, quarter))
        self.up_quarter = way_up(upsample, quarter)
        self.from_quarter = nn.Sequential(conv_bn(quarter, quarter), conv_bn(quarter, half))
        self.up_half = way_up(upsample, half)
        self.from_half = nn.Sequential(conv_bn(half, half), nn.Conv2d(half, classes, 1))
        self.enlarge = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
        bilinear_kernel_(self.enlarge.weight)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        half = self.to_half(pad_to_multiple(x, STRIDE))
        quarter = self.to_quarter(pool(half))
        eighth = self.to_eighth(pool(quarter))
        x = self.to_sixteenth(pool(eighth))
        x = self.from_eighth(self.up_eighth(x, eighth))
        x = self.from_quarter(self.up_quarter(x, quarter))
        x = self.from_half(self.up_half(x, half))
        logits: Tensor = self.enlarge(x)
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits."""
        self.enlarge.bias = nn.Parameter(bias)


def build(classes: int, **options: Any) -> SegNetLite:
    """The network with random weights; `options` are further arguments of `SegNetLite`."""
    return SegNetLite(classes, **options)
