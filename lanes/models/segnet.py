"""SegNet: VGG16's 13 convolutions and their mirror image, connected by the pooling indices.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
Image Segmentation" (PAMI 2017, arXiv:1511.00561): the decoder puts each value back where the
encoder's pooling found it, which preserves edges without storing whole maps. 29.4 M parameters,
225 GFLOP at 480x360 (padded to 480x384).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lanes.models._blocks import conv_bn, pad_to_multiple
from lanes.models._upsample import way_up
from lanes.models._vgg import STAGES, STRIDE, Vgg16


class SegNet(nn.Module):
    """Logits (N, classes, H, W) of images (N, 3, H, W); sizes are padded to multiples of 32.

    `width` scales the number of channels; `upsample` is one of `_upsample.WAYS`.
    """

    def __init__(self, classes: int, width: float = 1, upsample: str = "max_unpooling") -> None:
        super().__init__()
        self.encoder = Vgg16(width)
        self.ups = nn.ModuleList()
        self.stages = nn.ModuleList()
        channels = self.encoder.channels
        # Coarsest first: each stage ends with the channels of the next finer one.
        for stage in reversed(range(len(STAGES))):
            inner, count = channels[stage], STAGES[stage][1]
            self.ups.append(way_up(upsample, inner))
            layers = [conv_bn(inner, inner) for _ in range(count - 1)]
            if stage > 0:
                layers.append(conv_bn(inner, channels[stage - 1]))
            self.stages.append(nn.Sequential(*layers))
        self.classify = nn.Conv2d(channels[0], classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        before, pooled = self.encoder(pad_to_multiple(x, STRIDE))
        x = pooled[-1]
        for up, stage, indices in zip(self.ups, self.stages, reversed(before), strict=True):
            x = stage(up(x, indices))
        logits: Tensor = self.classify(x)
        return logits[..., :height, :width]

    def add_to_logits(self, bias: Tensor) -> None:
        """Add `bias` (classes,) to the logits."""
        assert self.classify.bias is not None
        self.classify.bias = nn.Parameter(self.classify.bias + bias)

    def load_pretrained(self) -> None:
        """Load ImageNet weights into the encoder; see `Vgg16.load_imagenet`."""
        self.encoder.load_imagenet()


def build(classes: int, **options: Any) -> SegNet:
    """The network with random weights; `options` are further arguments of `SegNet`."""
    return SegNet(classes, **options)
