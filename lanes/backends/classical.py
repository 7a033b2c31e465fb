"""Classical image processing without a network: a baseline that needs no training.

Each task has its own method in a `_classical_*.py` file; the card's task selects it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2

from lanes import card as cards
from lanes.backends import _engine
from lanes.backends._classical_cells import every_cell, white_cells
from lanes.backends._classical_lanes import lane_lines
from lanes.errors import UnknownName
from lanes.images.resize import Resize
from lanes.plugins import unknown
from lanes.types import Image, ImageBatch, LabelBatch, LabelMap

PRECISIONS = ("uint8",)
DEVICES = ("cpu",)
METHODS: dict[str, Callable[[Image], LabelMap]] = {
    "lanes": lane_lines,
    "blood_cells": white_cells,
    "cell_count": every_cell,
}
"""The method for each supported task."""


class ClassicalBackend(_engine.ThreadedEngine):
    """See `lanes.types.Backend`; `method` labels one image."""

    name, library = "classical", "cv2"

    def __init__(self, method: Callable[[Image], LabelMap], resize: Resize) -> None:
        """Label images by `method`; if the card uses tiles, it gets whole images instead."""
        super().__init__(DEVICES[0], PRECISIONS[0], (1, *resize.size, 3))
        self.any_size = resize.in_tiles
        self.method = method

    def _run(self, begun: ImageBatch) -> tuple[LabelBatch]:
        return (self.method(begun[0])[None],)


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """Always integer arithmetic."""
    if device.lower() not in DEVICES:
        raise UnknownName(unknown("backend classical", device, list(DEVICES)))
    return PRECISIONS


def load(
    folder: Path, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> ClassicalBackend:
    """Load the method for the task of `folder`; reads only the card.

    `threads` applies to all of OpenCV in this process. See `lanes.backends.load`.
    """
    _engine.check_precision("classical", precision, precisions(device))
    card = cards.read(folder)
    if card.task not in METHODS:
        raise UnknownName(
            f"backend classical has no method for the task {card.task!r} of {folder}; it has one "
            f"for {', '.join(METHODS)}: use another backend for this model"
        )
    if threads:
        cv2.setNumThreads(threads)
    return ClassicalBackend(METHODS[card.task], card.resize)
