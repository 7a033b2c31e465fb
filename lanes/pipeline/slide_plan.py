"""Plan how a slide is labelled: the scale of its cells, and the windows that cover it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import numpy as np

from lanes.cells import instances, scale
from lanes.cells.doubt import Signs
from lanes.errors import BadInput
from lanes.images.slide import Slide
from lanes.images.tiff import Box
from lanes.pipeline.find_cells import ScaledLabels, label_cells, signs_in
from lanes.segmenter import Segmenter
from lanes.types import Image, Size

MARGIN = 128
"""Pixels of the network's input around a window: context, and room for a cell of the next."""
CELLS = 2.5
"""The margin is at least so many learned diameters."""
STEPS, LARGEST = 16, 3072
"""The longest side of a window without margins: in margins, and in pixels of the slide."""
SPOT, SPOTS = 1600, 24
"""Side in pixels and number of the parts on which the cells' size is estimated."""
LOOKED_AT = 3
"""How many of them the network labels, to correct the estimate and judge the doubt."""


@dataclass(frozen=True)
class Window:
    """A part of a slide: `core` is its own, `box` has a margin around it."""

    core: Box
    box: Box


@dataclass(frozen=True)
class Plan:
    """Windows for a slide of `size`, each a multiple of `unit` pixels, which become `scaled` ones.

    So all windows are resized alike, and start at multiples of the network's stride. `diameter` is
    that of the cells in pixels of the slide, `typical` their area at the network's scale; None if
    no cell was seen. `signs` are those of a wrong count.
    """

    size: Size
    unit: int
    scaled: int
    diameter: float | None = None
    typical: float | None = None
    signs: Signs | None = None

    def windows(self) -> Iterator[Window]:
        """All windows, row by row."""
        side = self.unit * max(min(STEPS, LARGEST // self.unit), 2)
        height, width = self.size
        for top in range(0, height, side):
            for left in range(0, width, side):
                core = Box(top, left, min(top + side, height), min(left + side, width))
                yield Window(core, self._around(core))

    def _around(self, core: Box) -> Box:
        height, width = self.size
        return Box(
            max(core.top - self.unit, 0),
            max(core.left - self.unit, 0),
            min(core.bottom + self.unit, height),
            min(core.right + self.unit, width),
        )

    def scaled_size(self, size: Size) -> Size:
        """The size at the network's scale of a part of `size`."""
        height, width = (max(round(side * self.scaled / self.unit), 1) for side in size)
        return height, width


def plan_of(slide: Slide, segmenter: Segmenter, diameter: float | None) -> Plan:
    """Look at parts of `slide`, and plan; `diameter` of the cells in pixels, None: estimated.

    Raises:
        BadInput: the model takes whole pictures, or counts no cells.
        MissingDependency: the compression needs a library.
    """
    _check(slide, segmenter)
    learned = segmenter.card.cell_diameter
    margin = max(MARGIN, math.ceil(CELLS * (learned or 0) / 32) * 32)
    if learned is None:
        return Plan(slide.size, margin, margin)
    images = [slide.read(box) for box in slide.spots(SPOT, SPOTS)]
    images = [image for image in images if not scale.is_flat(image)]
    images = sorted(images, key=_contents)[-LOOKED_AT * 3 :]
    found = [scale.estimate(image) for image in images]
    guess = diameter or _median([one for one in found if one])
    best = images[-LOOKED_AT:]
    labelled = [label_cells(image, segmenter, diameter, guess) for image in best]
    diameters = [one.diameter for one in labelled if one.diameter]
    diameter = _median(diameters)
    unit = max(round(margin * diameter / learned), 1) if diameter else margin
    looks = [_look(image, one, segmenter) for image, one in zip(best, labelled, strict=True)]
    areas = [area * (margin / unit) ** 2 for _, area in looks if area]
    signs = [sign for sign, _ in looks if sign]
    return Plan(slide.size, unit, margin, diameter, _median(areas), _mean(signs))


def _check(slide: Slide, segmenter: Segmenter) -> None:
    card = segmenter.card
    if not card.resize.in_tiles or segmenter.task.things is None:
        height, width = slide.size
        raise BadInput(
            f"{slide.path} has {width} x {height} pixels, too many for {card.name}, which takes "
            "whole pictures: cut it into parts, or count cells with --model cells-count"
        )


def _contents(image: Image) -> float:
    """How much an image shows."""
    return float(image[::4, ::4].std())


def _look(image: Image, found: ScaledLabels, segmenter: Segmenter) -> tuple[Signs | None, float]:
    """The signs of a part, and the typical area of its cells in pixels of the slide; 0: none."""
    size = image.shape[0], image.shape[1]
    parted = instances.segment(found.labels, segmenter.task)
    things = instances.things_of(segmenter.task)
    ratio = size[0] * size[1] / found.labels.size
    area = math.pi / 4 * instances.typical_diameter(found.labels, things) ** 2 * ratio
    return signs_in(found, parted, segmenter.task, size), area


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _mean(signs: list[Signs]) -> Signs | None:
    return Signs(*np.mean([astuple(one) for one in signs], axis=0).tolist()) if signs else None
