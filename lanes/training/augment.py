"""Random rotation, crop, scale, flip, light and blur, with one geometry per sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from lanes.images.resize import Resize, resize_image, resize_labels, resize_plane
from lanes.images.tiles import extended
from lanes.training.config import TrainConfig
from lanes.training.light import Light
from lanes.training.microscope import Microscope
from lanes.training.weather import Weather, happens
from lanes.types import Image, Sample, Size

Pixel = TypeVar("Pixel", np.uint8, np.uint16)
Plane: TypeAlias = NDArray[np.uint8]
Box: TypeAlias = tuple[int, int, int, int]
"""Top, left, height, width."""


class Augment:
    """Sample -> sample at the network's input size, randomised by torch's generator."""

    def __init__(self, config: TrainConfig) -> None:
        self.size, self.in_tiles = config.size, config.resize.in_tiles
        self.area, self.ratio = list(config.crop_area), list(config.crop_ratio)
        self.flip, self.flip_vertical, self.turn = config.flip, config.flip_vertical, config.turn
        self.light, self.weather = Light(config), Weather(config)
        self.microscope = Microscope(config)

    def __call__(
        self,
        sample: Sample,
        size: Size | None = None,
        background: int | None = None,
        lines: Collection[int] = (),
    ) -> Sample:
        """Rotate, crop, flip, resize to `size` (default: the network's), change light and weather.

        `background` is the target id under bars and bonnets; None disables both. `lines` are the
        target ids of thin lines, which must not break.
        """
        size = size or self.size
        if happens(self.turn):
            sample = turned(sample)
        if self.in_tiles:
            sample, box = _tile(sample, size, self.area, self.ratio)
        else:
            picture = torch.from_numpy(sample.image).permute(2, 0, 1)
            box = v2.RandomResizedCrop.get_params(picture, self.area, self.ratio)
        sample = moved(sample, box, happens(self.flip), happens(self.flip_vertical))
        sample = fit(sample, Resize(size), lines)
        image = self.microscope(self.light(sample.image))
        return self.weather(replace(sample, image=image), background)


def _tile(
    sample: Sample, size: Size, area: Sequence[float], ratio: Sequence[float]
) -> tuple[Sample, Box]:
    """A random box whose area is a share of the network's input, and the sample, extended to fit.

    Pixels beyond the picture mirror it, as in inference.
    """
    share, log_ratio, down, right = torch.rand(4).tolist()
    pixels = size[0] * size[1] * (area[0] + share * (area[1] - area[0]))
    aspect = math.exp(math.log(ratio[0]) + log_ratio * (math.log(ratio[1]) - math.log(ratio[0])))
    height, width = round(math.sqrt(pixels / aspect)), round(math.sqrt(pixels * aspect))

    def extend(array: NDArray[Pixel]) -> NDArray[Pixel]:
        return extended(array, (height, width))

    sample = on_each(sample, image=extend, labels=extend)
    rows, columns = sample.targets.shape
    place = round(down * (rows - height)), round(right * (columns - width))
    return sample, (*place, height, width)


def turned(sample: Sample) -> Sample:
    """Rotate every array by 90 degrees anticlockwise; with flips this gives all 8 orientations."""

    def turn(array: NDArray[Pixel]) -> NDArray[Pixel]:
        return np.ascontiguousarray(np.rot90(array))

    return on_each(sample, image=turn, labels=turn)


def moved(sample: Sample, box: Box, mirror: bool, upside_down: bool = False) -> Sample:
    """Cut `box` (top, left, height, width) out of every array.

    `mirror` swaps left and right, `upside_down` top and bottom.
    """
    top, left, height, width = box

    def move(array: NDArray[Pixel]) -> NDArray[Pixel]:
        part = array[top : top + height, left : left + width]
        part = part[:, ::-1] if mirror else part
        return np.ascontiguousarray(part[::-1] if upside_down else part)

    return on_each(sample, image=move, labels=move)


def fit(sample: Sample, resize: Resize, lines: Collection[int] = ()) -> Sample:
    """Resize every array to the network's input size with the functions that inference uses.

    `lines` are the target ids of thin lines.
    """
    fitted = on_each(
        sample,
        image=lambda image: resize_image(image, resize),
        labels=lambda labels: resize_labels(labels, resize.size),
        soft=lambda plane: resize_plane(plane, resize.size),
    )
    return replace(fitted, targets=resize_labels(sample.targets, resize.size, lines))


class _OnLabels(Protocol):
    def __call__(self, array: NDArray[Pixel], /) -> NDArray[Pixel]: ...


def on_each(
    sample: Sample,
    image: Callable[[Image], Image],
    labels: _OnLabels,
    soft: Callable[[Plane], Plane] | None = None,
) -> Sample:
    """Apply `image` to the sample's picture and `labels` to its other arrays.

    `soft` (default: `labels`) is applied to each plane of the teacher's probabilities.
    """
    planes, instances = sample.soft, sample.instances
    on_plane = soft or labels
    return Sample(
        image=image(sample.image),
        targets=labels(sample.targets),
        soft=None if planes is None else np.stack([on_plane(plane) for plane in planes]),
        instances=None if instances is None else labels(instances),
    )
