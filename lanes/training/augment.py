"""Random crop, scale, flip, light and blur: one geometry for all the arrays of a sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from lanes.resize import Resize, resize_image, resize_labels
from lanes.training.config import TrainConfig
from lanes.types import Sample


class Augment:
    """Sample -> sample at the network's input size; random from torch's generator."""

    def __init__(self, config: TrainConfig) -> None:
        self.resize = Resize(config.size)
        self.area, self.ratio = list(config.crop_area), list(config.crop_ratio)
        self.flip = config.flip
        self.light = v2.Compose(
            [
                v2.ColorJitter(config.brightness, config.contrast, config.saturation),
                v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], config.blur),
            ]
        )

    def __call__(self, sample: Sample) -> Sample:
        picture = torch.from_numpy(sample.image).permute(2, 0, 1)
        box = v2.RandomResizedCrop.get_params(picture, self.area, self.ratio)
        mirror = bool(torch.rand(()) < self.flip)
        sample = fit(moved(sample, box, mirror), self.resize)
        # torchvision's saturation weighs the channels as RGB; the arrays are BGR.
        rgb = torch.from_numpy(np.ascontiguousarray(sample.image[..., ::-1])).permute(2, 0, 1)
        lit: Tensor = self.light(rgb)
        image = np.ascontiguousarray(lit.permute(1, 2, 0).numpy()[..., ::-1])
        return replace(sample, image=image)


def moved(sample: Sample, box: tuple[int, int, int, int], mirror: bool) -> Sample:
    """Cut `box` (top, left, height, width) out of every array; `mirror` swaps left and right."""
    top, left, height, width = box

    def move(array: Any) -> Any:
        part = array[top : top + height, left : left + width]
        return np.ascontiguousarray(part[:, ::-1] if mirror else part)

    return Sample(**{k: None if v is None else move(v) for k, v in vars(sample).items()})


def fit(sample: Sample, resize: Resize) -> Sample:
    """Bring every array to the network's input size, by the functions that inference uses."""
    soft, instances = sample.soft, sample.instances
    return Sample(
        image=resize_image(sample.image, resize),
        targets=resize_labels(sample.targets, resize.size),
        soft=None if soft is None else resize_labels(soft, resize.size),
        instances=None if instances is None else resize_labels(instances, resize.size),
    )
