"""Random crop, scale, flip, light and blur: one geometry for all the arrays of a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from lanes.resize import Resize, resize_image, resize_labels
from lanes.training.config import TrainConfig
from lanes.types import Image, Sample

Pixel = TypeVar("Pixel", np.uint8, np.uint16)
GREY = np.array([0.114, 0.587, 0.299])
"""Weights of blue, green and red in grey (ITU-R BT.601)."""
BLUR_KERNEL, BLUR_SIGMA = (5, 5), (0.3, 1.5)


class Augment:
    """Sample -> sample at the network's input size; random from torch's generator."""

    def __init__(self, config: TrainConfig) -> None:
        self.resize = Resize(config.size)
        self.area, self.ratio = list(config.crop_area), list(config.crop_ratio)
        self.flip = config.flip
        self.light = Light(config)

    def __call__(self, sample: Sample) -> Sample:
        """Crop, mirror, resize, then change light and blur of the image."""
        picture = torch.from_numpy(sample.image).permute(2, 0, 1)
        box = v2.RandomResizedCrop.get_params(picture, self.area, self.ratio)
        mirror = bool(torch.rand(()) < self.flip)
        sample = fit(moved(sample, box, mirror), self.resize)
        return replace(sample, image=self.light(sample.image))


class Light:
    """Image -> image of other brightness, contrast and saturation, sometimes blurred.

    Each factor is drawn from 1 - x to 1 + x, x the configuration's. All three are one affine map
    of the colours, applied and rounded once: a sixth of the time of torchvision's `ColorJitter`,
    which rounds after each.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.ranges = torch.tensor([config.brightness, config.contrast, config.saturation])
        self.blur = config.blur

    def __call__(self, image: Image) -> Image:
        factors = 1 + self.ranges * (2 * torch.rand(3) - 1)
        brightness, contrast, saturation = factors.clamp_min(0).tolist()
        lit = changed(image, brightness, contrast, saturation)
        if torch.rand(()) < self.blur:
            low, high = BLUR_SIGMA
            sigma = low + (high - low) * float(torch.rand(()))
            cv2.GaussianBlur(lit, BLUR_KERNEL, sigma, dst=lit)
        return lit


def changed(image: Image, brightness: float, contrast: float, saturation: float) -> Image:
    """Scale the distance of all colours from black, from their mean grey, from their own grey."""
    grey = float(GREY @ cv2.mean(image)[:3])
    colours = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * GREY)
    shift = np.full((3, 1), brightness * (1 - contrast) * grey)
    return np.asarray(cv2.transform(image, np.hstack([colours, shift])), np.uint8)


def moved(sample: Sample, box: tuple[int, int, int, int], mirror: bool) -> Sample:
    """Cut `box` (top, left, height, width) out of every array; `mirror` swaps left and right."""
    top, left, height, width = box

    def move(array: NDArray[Pixel]) -> NDArray[Pixel]:
        part = array[top : top + height, left : left + width]
        return np.ascontiguousarray(part[:, ::-1] if mirror else part)

    return on_each(sample, image=move, labels=move)


def fit(sample: Sample, resize: Resize) -> Sample:
    """Bring every array to the network's input size, by the functions that inference uses."""
    return on_each(
        sample,
        image=lambda image: resize_image(image, resize),
        labels=lambda labels: resize_labels(labels, resize.size),
    )


class _OnLabels(Protocol):
    def __call__(self, array: NDArray[Pixel], /) -> NDArray[Pixel]: ...


def on_each(sample: Sample, image: Callable[[Image], Image], labels: _OnLabels) -> Sample:
    """The sample with `image` applied to its picture and `labels` to all its other arrays."""
    soft, instances = sample.soft, sample.instances
    return Sample(
        image=image(sample.image),
        targets=labels(sample.targets),
        soft=None if soft is None else labels(soft),
        instances=None if instances is None else labels(instances),
    )
