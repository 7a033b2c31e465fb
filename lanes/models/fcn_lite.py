"""FCN-lite: a light residual encoder to 1/16 with dilated context, and FCN's fusion of scales.

After Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation" (CVPR
2015, arXiv:1411.4038): scores of coarse, deep features are upsampled and added to those of finer,
shallow ones. The global mean of the deepest features is added to each of them, as in Liu,
Rabinovich & Berg, "ParseNet" (2015, arXiv:1506.04579), for image-wide context such as night or
motorway. The encoder uses dense 3x3 convolutions in multiples of 16 channels, which come closer to
a CPU's peak than depthwise ones. 0.70 M parameters, 3.3 GFLOP at 480x360.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.models._blocks import (
    Bottleneck,
    Residual,
    bilinear_kernel_,
    conv_bn,
    double,
    pad_to_multiple,
)

STRIDE = 16


class FcnLite(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 16.

    `channels` are the channels at 1/2, 1/4, 1/8 and 1/16; `dilations` has one entry per block at
    1/16; `decoder` lists the channels of the fused maps at 1/8 and 1/4. `dropout` is the share of
    channels dropped before the classifier in training (Tompson et al. 2015, arXiv:1411.4280).
    """

    ENCODER = ("to_quarter", "to_eighth", "to_sixteenth")

    def __init__(
        self,
        classes: int,
        channels: tuple[int, int, int, int] = (16, 48, 64, 128),
        blocks: tuple[int, int] = (1, 2),
        dilations: tuple[int, ...] = (1, 2, 4, 8, 2, 4),
        decoder: tuple[int, int] = (64, 32),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = channels
        self.to_quarter = nn.Sequential(
            conv_bn(3, half, stride=2),
            conv_bn(half, quarter, stride=2),
            *(Residual(quarter) for _ in range(blocks[0])),
        )
        self.to_eighth = nn.Sequential(
            conv_bn(quarter, eighth, stride=2), *(Residual(eighth) for _ in range(blocks[1]))
        )
        self.to_sixteenth = nn.Sequential(
            conv_bn(eighth, sixteenth, stride=2),
            *(Bottleneck(sixteenth, sixteenth // 2, dilation) for dilation in dilations),
        )
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(sixteenth, sixteenth, 1))
        self.score_sixteenth = conv_bn(sixteenth, decoder[0], kernel=1)
        self.score_eighth = conv_bn(eighth, decoder[0], kernel=1)
        self.fuse_eighth = conv_bn(decoder[0], decoder[0])
        self.lower_eighth = conv_bn(decoder[0], decoder[1], kernel=1)
        self.score_quarter = conv_bn(quarter, decoder[1], kernel=1)
        self.fuse_quarter = conv_bn(decoder[1], decoder[1])
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(decoder[1], classes, 1)
        self.enlarge = nn.ConvTranspose2d(classes, classes, 8, stride=4, padding=2, bias=False)
        bilinear_kernel_(self.enlarge.weight)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, STRIDE)
        quarter = self.to_quarter(x)
        eighth = self.to_eighth(quarter)
        sixteenth = self.to_sixteenth(eighth)
        sixteenth = sixteenth + self.context(sixteenth)
        fused = double(self.score_sixteenth(sixteenth)) + self.score_eighth(eighth)
        fused = self.lower_eighth(self.fuse_eighth(fused))
        fused = double(fused) + self.score_quarter(quarter)
        fused = self.dropout(self.fuse_quarter(fused))
        logits: Tensor = self.enlarge(self.classify(fused))
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits; bilinear upsampling preserves constants."""
        self.enlarge.bias = nn.Parameter(bias)


def build(classes: int, **options: Any) -> FcnLite:
    """The default network, 0.7 M parameters; `options` are further arguments of `FcnLite`."""
    return FcnLite(classes, **options)
