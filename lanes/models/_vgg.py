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
"""Channels and number of convolutions before each of the five pooling layers."""
STRIDE = 2 ** len(STAGES)
WEIGHTS = VGG16_BN_Weights.IMAGENET1K_V1


class Vgg16(nn.Module):
    """The inputs and outputs of each pooling layer, from images (N, 3, H, W) BGR.

    The inputs are at 1 to 1/16 of the size. `width` scales the number of channels, which `channels`
    lists; sides must be multiples of 32. The convolutions have no bias, because the normalisation
    after them would cancel it.
    """

    PRETRAINED = (
        "ImageNet-1k (Deng et al. 2009): the encoder's first weights, torchvision's VGG16-BN",
        "first weights: BSD-3-Clause, learned from ImageNet (research)",
    )
    """The source of the weights and their terms, for the card."""

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
        """Load torchvision's VGG16-BN weights, downloaded once into torch's cache.

        Raises:
            BadConfig: `width` is not 1.
            BadInput: the weights cannot be downloaded, or their file is damaged.
        """
        if self.width != 1:
            raise BadConfig(
                f"pretrained: the weights are for width 1, got {self.width}; leave width out"
            )
        path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS.url.rpartition("/")[2]
        scratch = "or train from scratch with pretrained = false"
        try:
            theirs = WEIGHTS.get_state_dict(
                progress=True, check_hash=True, weights_only=True, map_location="cpu"
            )
            self.load_state_dict(self._renamed(theirs))
        # Network errors are OSErrors too (urllib.error.URLError, HTTPError).
        except OSError as error:
            raise BadInput(
                f"cannot download VGG16-BN's ImageNet weights ({error}): copy {path.name} from "
                f"{WEIGHTS.url} to {path.parent}, {scratch}"
            ) from error
        except (RuntimeError, LookupError, EOFError, pickle.UnpicklingError) as error:
            # Hide torch's message, which advises loading the file unsafely.
            raise BadInput(
                f"{path} does not hold VGG16-BN's weights ({type(error).__name__}): delete it to "
                f"download it again, {scratch}"
            ) from error

    def _renamed(self, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Torchvision's tensors under our names, without those of the classifier."""
        ours: dict[str, Tensor] = {}
        number = 0  # index in torchvision's list: convolution, normalisation, ReLU; pooling
        for stage, (_, count) in enumerate(STAGES):
            for index in range(count):
                conv, norm = f"features.{number}", f"features.{number + 1}"
                here = f"stages.{stage}.{index}"
                ours[f"{here}.0.weight"] = theirs[f"{conv}.weight"]
                for part in ("weight", "bias", "running_var"):
                    ours[f"{here}.1.{part}"] = theirs[f"{norm}.{part}"]
                # Fold the bias of their convolutions into the running mean.
                ours[f"{here}.1.running_mean"] = (
                    theirs[f"{norm}.running_mean"] - theirs[f"{conv}.bias"]
                )
                ours[f"{here}.1.num_batches_tracked"] = torch.tensor(0)
                number += 3
            number += 1
        # Their images are RGB, ours BGR.
        ours["stages.0.0.0.weight"] = ours["stages.0.0.0.weight"].flip(1)
        return ours
