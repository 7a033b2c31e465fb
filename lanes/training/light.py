"""Random brightness, contrast, saturation, hue and blur of an image."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lanes.training.config import TrainConfig
from lanes.types import Image

GREY = np.array([0.114, 0.587, 0.299])
"""Weights of blue, green and red in grey (ITU-R BT.601)."""
BLUR_KERNEL, BLUR_SIGMA = (5, 5), (0.3, 1.5)


class Light:
    """Image -> image in other light, sometimes blurred, randomised by torch's generator.

    Each factor is drawn from 1 - x to 1 + x, the hue from -x to x turns, with x from the
    configuration. They combine into one affine map of the colours, applied and rounded once: a
    sixth of the time of torchvision's `ColorJitter`, which rounds after each step.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.ranges = torch.tensor([config.brightness, config.contrast, config.saturation])
        self.hue = config.hue
        self.blur = config.blur

    def __call__(self, image: Image) -> Image:
        factors = 1 + self.ranges * (2 * torch.rand(3) - 1)
        brightness, contrast, saturation = factors.clamp_min(0).tolist()
        hue = self.hue * (2 * float(torch.rand(())) - 1) if self.hue else 0.0
        lit = changed(image, brightness, contrast, saturation, hue)
        if torch.rand(()) < self.blur:
            low, high = BLUR_SIGMA
            sigma = low + (high - low) * float(torch.rand(()))
            cv2.GaussianBlur(lit, BLUR_KERNEL, sigma, dst=lit)
        return lit


def changed(
    image: Image, brightness: float, contrast: float, saturation: float, hue: float = 0.0
) -> Image:
    """Scale the colours' distances from black, from their mean grey, and from their own grey.

    `hue` rotates them about the grey axis, in turns.
    """
    grey = float(GREY @ cv2.mean(image)[:3])
    colours = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * GREY)
    shift = np.full((3, 1), brightness * (1 - contrast) * grey)
    matrix = np.hstack([colours @ turn(hue), shift])
    return np.asarray(cv2.transform(image, matrix), np.uint8)


def turn(hue: float) -> NDArray[np.float64]:
    """The rotation matrix of BGR colours by `hue` turns about the grey axis."""
    # Red towards yellow is positive, as in HSV; with blue first the axis points the other way.
    axis = np.full(3, -2 * math.pi * hue / math.sqrt(3))
    return np.asarray(cv2.Rodrigues(axis)[0])
