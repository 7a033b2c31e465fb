"""The 13 convolutions of VGG16 with batch normalisation, as an encoder with ImageNet weights.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR
2015, arXiv:1409.1556); the weights are torchvision's.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights

from lanes.errors import BadConfig, BadInput
from lanes.models._blocks import conv_bn
from lanes.models._upsample import pool

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions before each of the five poolings."""
STRIDE = 2 ** len(STAGES)
WEIGHTS = VGG16_BN_Weights.IMAGENET1K_V1


class Vgg16(nn.Module):
    """What each pooling is given, at 1 to 1/16 of images (N, 3, H, W) BGR, and what it gives.

    `width` scales the number of channels, which `channels` lists; sides are multiples of 32. The
    convolutions have no bias, which the normalisation after them would take away.
    """

    PRETRAINED = (
        "ImageNet-1k (Deng et al. 2009): the encoder's first weights, torchvision's VGG16-BN",
        "first weights: BSD-3-Clause, learned from ImageNet (research)",
    )
    """What `load_imagenet` brings, and its terms, for the card."""

    def __init__(self, width: float = 1) -> None:
        super().__init__()
        self.width = width
        self.channels = tuple(round(channels * width) for channels, _ in STAGES)
        if min(self.channels) < 1:
            raise BadConfig(f"width: {width} leaves VGG16 no channels; wanted about 0.1 to 1")
        self.stages = nn.ModuleList()
        inputs = 3
        for outputs, (_, count) in zip(self.channels, STAGES, strict=True):
            sources = (inputs, *[outputs] * (count - 1))
            self.stages.append(nn.Sequential(*(conv_bn(source, outputs) for source in sources)))
            inputs = outputs

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        before, pooled = [], []
        for stage in self.stages:
            before.append(stage(x))
            x = pool(before[-1])
            pooled.append(x)
        return before, pooled

    def load_imagenet(self) -> None:
        """Take torchvision's weights of VGG16-BN, downloaded once into torch's cache.

        Raises:
            BadConfig: `width` is not 1.
            BadInput: they cannot be downloaded, or their file is damaged.
        """
        if self.width != 1:
            raise BadConfig(f"pretrained: the weights are for width 1, got {self.width}")
        path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS.url.rpartition("/")[2]
        scratch = "or train from scratch with pretrained = false"
        try:
            theirs = WEIGHTS.get_state_dict(
                progress=True, check_hash=True, weights_only=True, map_location="cpu"
            )
            self.load_state_dict(self._renamed(theirs))
        # Errors of the network are OSErrors too (urllib.error.URLError, HTTPError).
        except OSError as error:
            raise BadInput(
                f"cannot download VGG16-BN's ImageNet weights ({error}): bring {path.name} from "
                f"{WEIGHTS.url} into {path.parent}, {scratch}"
            ) from error
        except (RuntimeError, LookupError, EOFError, pickle.UnpicklingError) as error:
            # Not torch's own message: it advises to load the file unsafely.
            raise BadInput(
                f"{path} does not hold VGG16-BN's weights ({type(error).__name__}): delete it, "
                f"which downloads it again, {scratch}"
            ) from error

    def _renamed(self, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Torchvision's tensors under our names, without those of the classifier."""
        ours: dict[str, Tensor] = {}
        number = 0  # of the layer in their list: convolution, normalisation, ReLU; pooling
        for stage, (_, count) in enumerate(STAGES):
            for index in range(count):
                conv, norm = f"features.{number}", f"features.{number + 1}"
                here = f"stages.{stage}.{index}"
                ours[f"{here}.0.weight"] = theirs[f"{conv}.weight"]
                for part in ("weight", "bias", "running_var"):
                    ours[f"{here}.1.{part}"] = theirs[f"{norm}.{part}"]
                # Their convolutions have a bias, which the mean takes away again.
                ours[f"{here}.1.running_mean"] = (
                    theirs[f"{norm}.running_mean"] - theirs[f"{conv}.bias"]
                )
                ours[f"{here}.1.num_batches_tracked"] = torch.tensor(0)
                number += 3
            number += 1
        # Their images are RGB, ours BGR.
        ours["stages.0.0.0.weight"] = ours["stages.0.0.0.weight"].flip(1)
        return ours
