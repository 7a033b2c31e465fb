"""Effects of dashboard cameras: rain, glare, darkness, JPEG, black bars and bonnets.

Each has a probability in the configuration and draws from torch's generator. Bars and bonnets also
change the truth: they become background, whatever a teacher predicts there.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lanes.training.config import TrainConfig
from lanes.types import Image, Sample

BAR = (0.05, 0.2)
"""Share of the width or height that each of the two black bars covers."""
BONNET = (0.06, 0.25)
"""Share of the height that a bonnet or dashboard covers in its middle."""


class Weather:
    """Sample -> sample in other weather, or behind bars and a bonnet."""

    def __init__(self, config: TrainConfig) -> None:
        self.rain, self.glare, self.dark = config.rain, config.glare, config.dark
        self.jpeg, self.bars, self.bonnet = config.jpeg, config.bars, config.bonnet

    def __call__(self, sample: Sample, background: int | None) -> Sample:
        """Change `sample`; `background` is the target id of bars and bonnets, None disables both.

        Effects of the camera come last: darkness adds noise, and JPEG compresses everything.
        """
        image = sample.image
        if happens(self.rain):
            image = rained(image)
        if happens(self.glare):
            image = glared(image)
        if happens(self.dark):
            image = darkened(image)
        sample = replace(sample, image=image)
        if background is not None and happens(self.bonnet):
            sample = covered(sample, bonnet_mask(image.shape[:2]), _between(5, 70), background)
        if background is not None and happens(self.bars):
            sample = covered(sample, bars_mask(image.shape[:2]), 0, background)
        if happens(self.jpeg):
            sample = replace(sample, image=packed(sample.image, int(_between(15, 60))))
        return sample


def happens(probability: float) -> bool:
    """Whether an event of this probability happens."""
    # Probability 0 draws no number, so that a disabled effect does not change a run's draws.
    return probability > 0 and bool(torch.rand(()) < probability)


def rained(image: Image) -> Image:
    """Bright, slanted, blurred streaks over a picture with reduced contrast."""
    height, width = image.shape[:2]
    length, slant = _between(0.03, 0.1) * height, _between(-0.4, 0.4)
    streaks = np.zeros((height, width), np.uint8)
    for x, y in torch.rand(int(_between(100, 500)), 2).tolist():
        start = int(x * width), int(y * height)
        end = int(start[0] + slant * length), int(start[1] + length)
        cv2.line(streaks, start, end, 255, 1)
    light = cv2.GaussianBlur(streaks, (3, 3), 0)[..., None] * np.float32(_between(0.2, 0.6))
    haze = _between(0.6, 0.9)
    return _image(image * haze + 130 * (1 - haze) + light)


def glared(image: Image) -> Image:
    """A round glare that outshines its surroundings, like a low sun or a lamp."""
    height, width = image.shape[:2]
    x, y = _between(0, width), _between(0, 0.7 * height)
    radius = _between(0.1, 0.4) * width
    rows, columns = np.ogrid[:height, :width]
    near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return _image(image + near[..., None] * _between(80, 255))


def darkened(image: Image) -> Image:
    """A fifth to a half of the light, with sensor noise (standard deviation 2 to 10 of 255)."""
    noise = torch.randn(image.shape).numpy() * _between(2, 10)
    return _image(image * _between(0.2, 0.5) + noise)


def packed(image: Image, quality: int) -> Image:
    """The picture after JPEG compression with `quality`, 0..100."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def bars_mask(size: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask (H, W) of equal bars on the left and right, or at the top and bottom."""
    mask = np.zeros(size, bool)
    across = mask if happens(0.5) else mask.T
    wide = max(int(_between(*BAR) * len(across)), 1)
    across[:wide] = across[-wide:] = True
    return mask


def bonnet_mask(size: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask (H, W) of the bottom part, below a curve that falls towards both sides."""
    height, width = size
    top, middle = _between(*BONNET) * height, _between(0.4, 0.6) * width
    fall, power = _between(0, 0.9), _between(2, 4)
    away = np.abs(np.arange(width) - middle) / width * 2
    covers = top * (1 - fall * away**power)
    return np.asarray(np.arange(height)[:, None] >= height - covers, bool)


def covered(sample: Sample, mask: NDArray[np.bool_], brightness: float, background: int) -> Sample:
    """Fill `mask` (H, W) with one grey: target `background`, no teacher, no instance."""
    image, targets = sample.image.copy(), sample.targets.copy()
    image[mask], targets[mask] = np.uint8(brightness), background
    soft, instances = sample.soft, sample.instances
    return Sample(
        image=image,
        targets=targets,
        soft=None if soft is None else np.where(mask, np.uint8(0), soft),
        instances=None if instances is None else np.where(mask, np.uint16(0), instances),
    )


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _image(values: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
