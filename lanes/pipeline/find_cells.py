"""Label a picture at the scale that the network learned, and bring the labels back.

A model's card may give the diameter of the cells that it learned. A picture is resized until its
own cells have that diameter: as given, or as estimated by `lanes.cells.scale` and corrected by what
the network then finds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lanes.card import ModelCard
from lanes.cells import instances, scale
from lanes.cells.doubt import Signs, contrast_of, scale_sign, signs_of
from lanes.cells.instances import Cell
from lanes.cells.scale import RED_CELL
from lanes.errors import BadInput
from lanes.images.resize import resize_plane
from lanes.segmenter import Segmenter
from lanes.types import Image, InstanceMap, LabelMap, Size, Task

LARGEST = 60e6
"""Pixels of the resized picture; beyond, the picture is enlarged less than its cells need."""
FEWER = 0.8
"""How much smaller than learned the cells may become, if the picture then fits into one tile."""
OTHER = 0.8
"""The second scale, relative to the first."""
AGREES = 1.25
"""Found and learned diameters that differ by no more than this ratio agree."""


@dataclass(frozen=True)
class ScaledLabels:
    """The labels (h, w) of a picture at the network's scale.

    `diameter` is that of the cells in the picture's own pixels: what brought it to this scale; None
    if the picture has its own scale, because the model needs none or no cell was seen. `counts` are
    quick counts of the cells at this scale and at `OTHER` times it, `contrast` is that of cells and
    slide (`lanes.cells.doubt`); None and 0 if the model needs no scale.
    """

    labels: LabelMap
    diameter: float | None
    counts: tuple[int, int] | None = None
    contrast: float = 0.0


def label_cells(
    image: Image,
    segmenter: Segmenter,
    diameter: float | None = None,
    estimated: float | None = None,
) -> ScaledLabels:
    """Label `image` (H, W, 3) at the scale that the model learned.

    `diameter` is that of the picture's cells in pixels; None: `estimated` (see
    `lanes.cells.scale.estimate`), corrected once if the cells that are found disagree with it.
    """
    learned = segmenter.card.cell_diameter
    if learned is not None and scale.is_flat(image):
        return ScaledLabels(np.zeros(image.shape[:2], np.uint8), None, (0, 0))
    if learned is None:
        return ScaledLabels(segmenter.result(segmenter.submit(image)), None)
    guess = diameter or estimated
    first, away = _labelled(image, segmenter, learned, guess)
    agrees = not away or max(away, 1 / away) <= AGREES
    if diameter is not None or guess is None or agrees:
        return first
    second, still = _labelled(image, segmenter, learned, guess * away)
    return second if still and abs(math.log(still)) < abs(math.log(away)) else first


def signs_in(
    found: ScaledLabels,
    parted: InstanceMap,
    task: Task,
    size: Size,
    cells: Sequence[Cell] | None = None,
) -> Signs | None:
    """The signs of a wrong count in a picture of `size`; None if the model needs no scale.

    `parted` are the instances at the scale of `found`: outlines are judged as they were learned.
    `cells` are those measured in the picture, which spares a second measure if it has that scale.
    """
    if found.counts is None:
        return None
    if cells is None or parted.shape != size:
        cells = instances.measure(parted, found.labels, task)
    diameter, ratio = found.diameter, found.labels.shape[0] / size[0]
    expected = None if diameter is None else diameter * ratio
    sign = scale_sign(diameter, min(size))
    return signs_of(cells, expected, found.counts, found.contrast, sign)


def given_diameter(diameter: float | None, um_per_pixel: float | None) -> float | None:
    """The diameter in pixels that the user gave: itself, or that of a red cell at this scale."""
    if diameter is not None or um_per_pixel is None:
        return diameter
    return RED_CELL / um_per_pixel


def estimate(image: Image, segmenter: Segmenter, diameter: float | None) -> float | None:
    """The estimated diameter, if the model needs one and none is given."""
    needed = segmenter.card.cell_diameter is not None and diameter is None
    return scale.estimate(image) if needed else None


def check_diameter(diameter: float | None, card: ModelCard) -> None:
    """Raise `BadInput` for a diameter that no cell has, or a model without a scale."""
    if diameter is None:
        return
    if not 1 <= diameter < math.inf:
        raise BadInput(f"--cell-diameter {diameter}: wanted pixels, at least 1")
    if card.cell_diameter is None:
        raise BadInput(
            f"--cell-diameter: the model {card.name} has no scale of its own; leave it out"
        )


def _labelled(
    image: Image, segmenter: Segmenter, learned: float, diameter: float | None
) -> tuple[ScaledLabels, float]:
    """The labels at the scale for cells of `diameter`, and found / learned diameter (0: none)."""
    size, tile = (image.shape[0], image.shape[1]), segmenter.card.resize.size
    factor = learned / diameter if diameter else 1.0
    scaled = resize_plane(image, scaled_size(size, factor, tile))
    smaller = resize_plane(scaled, scaled_size((scaled.shape[0], scaled.shape[1]), OTHER, tile))
    things = instances.things_of(segmenter.task)
    labels, again = (segmenter.result(segmenter.submit(one)) for one in (scaled, smaller))
    counts = instances.count_pieces(labels, things), instances.count_pieces(again, things)
    found = instances.typical_diameter(labels, things)
    contrast = contrast_of(scaled, instances.among(labels, things.classes))
    return ScaledLabels(labels, diameter, counts, contrast), found / learned


def scaled_size(size: Size, factor: float, tile: Size) -> Size:
    """`size` (height, width) times `factor`, or up to `FEWER` of it if that needs fewer tiles.

    At most `LARGEST` pixels, at least 1 x 1.
    """
    factor = min(factor, math.sqrt(LARGEST / (size[0] * size[1])))
    # One tile is used whole, several overlap: a picture just above one tile would cost four.
    one = min(tile[0] / size[0], tile[1] / size[1])
    if FEWER * factor <= one < factor:
        factor = one
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)
