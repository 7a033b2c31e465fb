"""Frames that need no files: drawn by a data set of the task, to compare labels on."""

from __future__ import annotations

from lanes import plugins
from lanes.card import ModelCard
from lanes.errors import MissingDependency
from lanes.resize import resize_image
from lanes.types import Image, ImageBatch

FRAMES = 8
ELSE = "lanes"
"""The task whose frames stand for those of tasks that no data set draws: roads."""


def frames(task: str, count: int = FRAMES) -> list[Image]:
    """Frames of `task`, or of a road where no data set draws that task."""
    return of_task(task, count) or of_task(ELSE, count)


def of_task(task: str, count: int = FRAMES) -> list[Image]:
    """Frames of `task`; none where no data set draws it."""
    for name in plugins.names("datasets"):
        try:
            module = plugins.load("datasets", name)
        except MissingDependency:
            continue
        if task == module.TASK and getattr(module, "NEEDS_NO_FILES", False):
            dataset = module.open("", "val", count)
            return [dataset[index].image for index in range(len(dataset))]
    return []


def images(card: ModelCard, count: int = FRAMES) -> list[ImageBatch]:
    """Such frames for a model, one by one (1, H, W, 3), at its network's size."""
    return [resize_image(frame, card.resize)[None] for frame in frames(card.task, count)]
