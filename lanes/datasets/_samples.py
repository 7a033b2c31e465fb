"""Frames that need no files, drawn by a data set of the task; for comparing labels."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType

from lanes import plugins
from lanes.card import ModelCard
from lanes.errors import MissingDependency
from lanes.images.resize import network_input
from lanes.types import Image, ImageBatch

FRAMES = 8
SIZE, RATE = (360, 640), Fraction(1, 2)
"""The frames are those of the demo, one every two seconds."""
ELSE = "synthetic"
"""The data set for tasks that cannot draw their own frames: roads."""


def drawer(task: str) -> ModuleType:
    """The data set that draws frames of `task`, or else roads."""
    return _own(task) or plugins.load("datasets", ELSE)


def _own(task: str) -> ModuleType | None:
    for name in plugins.names("datasets"):
        try:
            module = plugins.load("datasets", name)
        except MissingDependency:
            continue
        if task == module.TASK and getattr(module, "NEEDS_NO_FILES", False):
            return module
    return None


def frames(task: str, count: int = FRAMES) -> list[Image]:
    """Frames of `task`, or of a road if no data set draws that task."""
    return _drawn(drawer(task), count)


def of_task(task: str, count: int = FRAMES) -> list[Image]:
    """Frames of `task`; an empty list if no data set draws it."""
    module = _own(task)
    return _drawn(module, count) if module else []


def _drawn(module: ModuleType, count: int) -> list[Image]:
    # Plain scenes: where a network is unsure, rounding alone changes its labels.
    return [image for image, _ in module.demo(count, SIZE, RATE)]


def images(card: ModelCard, count: int = FRAMES) -> list[ImageBatch]:
    """The frames of the model's task, each (1, H, W, 3) at its network's input size."""
    return [network_input(frame, card.resize)[None] for frame in frames(card.task, count)]
