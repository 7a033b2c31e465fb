"""FCN-32s, FCN-16s and FCN-8s on VGG16.

Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015,
arXiv:1411.4038): a classifier's fully connected layers become convolutions, and the scores of
coarse, deep maps are upsampled and added to those of finer ones. 27.8 M parameters, 117 GFLOP
at 480x360 (padded to 480x384).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.errors import BadConfig, UnknownName
from lanes.models._blocks import bilinear_kernel_, conv_bn, pad_to_multiple
from lanes.models._vgg import STRIDE, Vgg16
from lanes.plugins import unknown

STEPS = {32: (32,), 16: (2, 16), 8: (2, 2, 8)}
"""The upsampling factors of the scores, coarsest first, for each stride of the finest scores."""
WAYS = ("bilinear", "transposed")


class Fcn(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 32.

    `stride` is the stride of the finest scores: 32, 16 or 8. `upsample` is "bilinear", or
    "transposed" (learned, initialised as bilinear). `width` scales the encoder. `channels` is the
    number of channels of fc6 and fc7: VGG's 4096, for 1000 classes, would take 120 M of 134 M
    parameters.

    Train on 96 x 96 or more: on smaller maps some of fc6's 7x7 weights see only padding, and torch
    2.14 leaves their gradient unset (bf16 on the CPU).
    """

    def __init__(
        self,
        classes: int,
        stride: int = 8,
        upsample: str = "bilinear",
        channels: int = 512,
        width: float = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if stride not in STEPS:
            raise BadConfig(f"fcn: stride {stride}, wanted one of {', '.join(map(str, STEPS))}")
        if upsample not in WAYS:
            raise UnknownName(unknown("upsample of fcn", upsample, list(WAYS)))
        self.encoder = Vgg16(width)
        # pool5, and then pool4 and pool3 if `stride` needs them.
        last, *finer = self.encoder.channels[::-1][: len(STEPS[stride])]
        self.classifier = nn.Sequential(
            conv_bn(last, channels, kernel=7),
            nn.Dropout(dropout),
            conv_bn(channels, channels, kernel=1),
            nn.Dropout(dropout),
        )
        self.score = nn.Conv2d(channels, classes, 1)
        self.finer = nn.ModuleList(nn.Conv2d(source, classes, 1) for source in finer)
        make = _transposed if upsample == "transposed" else _bilinear
        self.ups = nn.ModuleList(make(classes, factor) for factor in STEPS[stride])

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        _, pooled = self.encoder(pad_to_multiple(x, STRIDE))
        logits: Tensor = self.score(self.classifier(pooled[-1]))
        # The last upsampling goes to image size, below.
        for up, score, features in zip(self.ups, self.finer, pooled[-2::-1], strict=False):
            logits = up(logits) + score(features)
        logits = self.ups[-1](logits)
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits; bilinear upsampling preserves constants."""
        last = self.ups[-1]
        if isinstance(last, nn.ConvTranspose2d):
            last.bias = nn.Parameter(bias)
        else:
            assert self.score.bias is not None
            self.score.bias = nn.Parameter(self.score.bias + bias)

    def load_pretrained(self) -> None:
        """Load ImageNet weights into the encoder; see `Vgg16.load_imagenet`."""
        self.encoder.load_imagenet()


def _bilinear(classes: int, factor: int) -> nn.Module:
    return nn.Upsample(scale_factor=factor, mode="bilinear")


def _transposed(classes: int, factor: int) -> nn.Module:
    conv = nn.ConvTranspose2d(classes, classes, 2 * factor, factor, factor // 2, bias=False)
    bilinear_kernel_(conv.weight)
    return conv


def build(classes: int, **options: Any) -> Fcn:
    """The network with random weights; `options` are further arguments of `Fcn`."""
    return Fcn(classes, **options)
