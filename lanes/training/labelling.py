"""A network in training as a labeller of images, as the exported model will be one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric

from lanes.models._network import Network
from lanes.resize import Resize, resize_image
from lanes.training.config import TrainConfig
from lanes.types import Image, LabelMap


def labeller(
    network: Network, config: TrainConfig, fabric: Fabric | None = None
) -> Callable[[Image], LabelMap]:
    """A function from an image (H, W, 3) of any size to labels at the network's size.

    With `fabric` it computes on its device and in its precision, else in fp32 on the CPU.
    """
    resize = Resize(config.size)
    network.eval()

    def label(image: Image) -> LabelMap:
        small = torch.from_numpy(resize_image(image, resize))[None]
        with torch.inference_mode():
            if fabric is None:
                logits = network(small)
            else:
                with fabric.autocast():
                    logits = network(small.to(fabric.device))
        return np.asarray(logits.argmax(1)[0].byte().cpu().numpy())

    return label
