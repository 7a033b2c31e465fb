"""SegNet-Basic: four encoders and four decoders of one 7x7 convolution each.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation" (PAMI 2017, arXiv:1511.00561), section 3.1: the small network with which they
compare upsampling methods. No bias before the classifier, no ReLU in the decoders. 1.4 M
parameters, 121 GFLOP at 480x360 (padded to 480x368), most of it in the last decoder, at full
resolution.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.models._blocks import conv_bn, pad_to_multiple
from lanes.models._upsample import pool, way_up

LEVELS = 4
STRIDE = 2**LEVELS


class SegNetBasic(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 16.

    `upsample` is one of `_upsample.WAYS`.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 64,
        kernel: int = 7,
        upsample: str = "max_unpooling",
    ) -> None:
        super().__init__()
        sources = (3, *[channels] * (LEVELS - 1))
        self.encoders = nn.ModuleList(conv_bn(source, channels, kernel) for source in sources)
        self.ups = nn.ModuleList(way_up(upsample, channels) for _ in sources)
        self.decoders = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(channels),
            )
            for _ in sources
        )
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, STRIDE)
        before: list[Tensor] = []
        for encode in self.encoders:
            before.append(encode(x))
            x = pool(before[-1])
        for up, decode in zip(self.ups, self.decoders, strict=True):
            x = decode(up(x, before.pop()))
        logits: Tensor = self.classify(x)
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits."""
        assert self.classify.bias is not None
        self.classify.bias = nn.Parameter(self.classify.bias + bias)


def build(classes: int, **options: Any) -> SegNetBasic:
    """The network with random weights; `options` are further arguments of `SegNetBasic`."""
    return SegNetBasic(classes, **options)
