"""Effects of laboratories and microscopes: other stains, uneven light, defocus, noise.

Each has a probability in the configuration and draws from torch's generator. Stains change in
optical density, where dyes add up (Ruifrok & Johnston 2001; as augmentation: Tellez et al. 2018,
doi:10.1109/TMI.2018.2820199).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lanes.training.config import TrainConfig
from lanes.training.weather import happens
from lanes.types import Image

SLIDE = 97
"""Percentile of a channel that is the light through the empty slide."""
STRENGTH = 0.7
"""A dye's strength changes by up to e to this power, either way."""
MIXED = 0.35
"""Largest part of one channel's density that another channel takes on."""


class Microscope:
    """Image -> image from another laboratory."""

    def __init__(self, config: TrainConfig) -> None:
        self.stain, self.uneven = config.stain, config.uneven
        self.defocus, self.noise = config.defocus, config.noise

    def __call__(self, image: Image) -> Image:
        """Change `image` (H, W, 3)."""
        if happens(self.stain):
            image = restained(image)
        if happens(self.uneven):
            image = unevenly_lit(image)
        if happens(self.defocus):
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), _between(0.6, 2.5)), np.uint8)
        if happens(self.noise):
            image = _image(image + torch.randn(image.shape).numpy() * _between(2, 10))
        return image


def restained(image: Image) -> Image:
    """`image` with other dyes, under a lamp of another colour."""
    light = np.maximum(np.percentile(image[::4, ::4], SLIDE, axis=(0, 1)), 1.0)
    density = [-np.log10(np.maximum(np.arange(256), 1) / white) for white in light]
    planes = [
        cv2.LUT(image[..., channel], np.asarray(table, np.float32))
        for channel, table in enumerate(density)
    ]
    strength = np.exp(STRENGTH * (2 * torch.rand(4).numpy() - 1))
    mixing = MIXED * (2 * torch.rand(3, 3).numpy() - 1) * (1 - np.eye(3))
    matrix = strength[3] ** 0.5 * (np.diag(strength[:3] ** 0.7) + mixing)
    dyed = cv2.transform(np.asarray(cv2.merge(planes)), matrix)
    lamp = _between(150, 255) * (1 - 0.35 * torch.rand(3).numpy() ** 2)
    return _image(lamp * np.exp(-np.log(10) * np.asarray(dyed, np.float32)))


def unevenly_lit(image: Image) -> Image:
    """A gradient of up to 40 % of the light, and corners up to 50 % darker."""
    height, width = image.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    side = _between(0, 2 * np.pi)
    slope = (np.cos(side) * x + np.sin(side) * y) / 2
    lamp = 1 - _between(0, 0.4) * (slope + 0.5) - _between(0, 0.25) * (x**2 + y**2)
    return _image(image * np.maximum(lamp, 0.2)[..., None])


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _image(values: NDArray[Any]) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
