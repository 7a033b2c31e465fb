"""Label images with a network in training, as the exported model will."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric

from lanes.backends import tiled
from lanes.images.resize import resize_image
from lanes.models._network import Network
from lanes.training.config import TrainConfig
from lanes.types import Image, ImageBatch, LabelBatch, LabelMap, Pending


def labeller(
    network: Network, config: TrainConfig, fabric: Fabric | None = None
) -> Callable[[Image], LabelMap]:
    """A function from an image (H, W, 3) of any size to labels at the network's size.

    A network that takes tiles returns labels at the image's size. With `fabric` it runs on fabric's
    device and in its precision, else in fp32 on the CPU.
    """
    network.eval()

    def label(images: ImageBatch) -> LabelBatch:
        with torch.inference_mode():
            if fabric is None:
                logits = network(torch.from_numpy(images))
            else:
                with fabric.autocast():
                    logits = network(torch.from_numpy(images).to(fabric.device))
        return np.asarray(logits.argmax(1).byte().cpu().numpy())

    backend = tiled(_AtOnce(label), config.resize)
    return lambda image: backend(resize_image(image, config.resize)[None])[0]


class _AtOnce:
    """Adapts a function to a `lanes.types.Backend` that computes in `submit`."""

    name, device, precision, depth, any_size = "checkpoint", "cpu", "fp32", 1, False

    def __init__(self, label: Callable[[ImageBatch], LabelBatch]) -> None:
        self.label = label

    def submit(self, images: ImageBatch) -> Pending:
        began = time.perf_counter()
        return Pending(self.label(images), began, time.perf_counter())

    def result(self, pending: Pending) -> LabelBatch:
        labels: LabelBatch = pending.request
        return labels

    def __call__(self, images: ImageBatch) -> LabelBatch:
        return self.label(images)

    def close(self) -> None:
        """Nothing to free."""
