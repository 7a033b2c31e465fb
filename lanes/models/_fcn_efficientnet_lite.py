"""FCN's fusion of scales on an EfficientNet-Lite encoder.

After Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation" (CVPR
2015, arXiv:1411.4038), which relies on transfer learning: features learned on ImageNet are useful
for other pictures too.
"""

from __future__ import annotations

from torch import Tensor, nn

from lanes.models._blocks import bilinear_kernel_, conv_bn, double, pad_to_multiple
from lanes.models._efficientnet_lite import EfficientNetLite, Variant

STRIDE = 32


class FcnEfficientNetLite(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 32.

    `decoder` lists the channels of the fused maps at 1/16 and 1/8, and at 1/4; `finest` those of
    another map at 1/2, for objects as thin as poles (0 = no such map). The first `frozen` stages
    of the encoder keep their ImageNet weights once loaded: they cost most to train and need it
    least.
    """

    def __init__(
        self,
        variant: Variant,
        classes: int,
        decoder: tuple[int, int] = (64, 32),
        finest: int = 0,
        frozen: int = 2,
    ) -> None:
        super().__init__()
        coarse, fine = decoder
        self.finest, self.frozen = finest, frozen
        self.encoder = EfficientNetLite(variant)
        half, quarter, eighth, sixteenth, thirtysecond = variant.channels
        self.score_thirtysecond = conv_bn(thirtysecond, coarse, kernel=1)
        self.score_sixteenth = conv_bn(sixteenth, coarse, kernel=1)
        self.fuse_sixteenth = conv_bn(coarse, coarse)
        self.score_eighth = conv_bn(eighth, coarse, kernel=1)
        self.fuse_eighth = conv_bn(coarse, coarse)
        self.lower_eighth = conv_bn(coarse, fine, kernel=1)
        self.score_quarter = conv_bn(quarter, fine, kernel=1)
        self.fuse_quarter = conv_bn(fine, fine)
        if finest:
            self.lower_quarter = conv_bn(fine, finest, kernel=1)
            self.score_half = conv_bn(half, finest, kernel=1)
            self.fuse_half = conv_bn(finest, finest)
        self.classify = nn.Conv2d(finest or fine, classes, 1)
        step = 2 if finest else 4
        self.enlarge = nn.ConvTranspose2d(
            classes, classes, 2 * step, stride=step, padding=step // 2, bias=False
        )
        bilinear_kernel_(self.enlarge.weight)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        half, quarter, eighth, sixteenth, thirtysecond = self.encoder(pad_to_multiple(x, STRIDE))
        fused = double(self.score_thirtysecond(thirtysecond)) + self.score_sixteenth(sixteenth)
        fused = double(self.fuse_sixteenth(fused)) + self.score_eighth(eighth)
        fused = double(self.lower_eighth(self.fuse_eighth(fused))) + self.score_quarter(quarter)
        fused = self.fuse_quarter(fused)
        if self.finest:
            fused = self.fuse_half(double(self.lower_quarter(fused)) + self.score_half(half))
        logits: Tensor = self.enlarge(self.classify(fused))
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits; bilinear upsampling preserves constants."""
        self.enlarge.bias = nn.Parameter(bias)

    def load_pretrained(self) -> None:
        """Load ImageNet weights into the encoder, freeze its first stages; see `load_imagenet`."""
        self.encoder.load_imagenet()
        self.encoder.freeze(self.frozen)
