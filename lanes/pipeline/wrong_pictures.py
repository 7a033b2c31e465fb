"""Says when a model gets pictures of another kind than it is for, and which model is for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lanes import assets, tasks
from lanes.card import ModelCard
from lanes.images.kind import kind_of, kind_of_frame, most
from lanes.types import Frame, Image, PictureKind, Task

NAMES: dict[PictureKind, str] = {"view": "view from a car", "slide": "slide under a microscope"}
OFFERED: dict[PictureKind, str] = {"view": assets.DEFAULT_MODEL, "slide": "cells-count"}
"""The included model for each kind."""
LOOK_EVERY, LOOKS = 10, 30
"""Every how many frames of a video are looked at, and how many at most."""


def other_kind(image: Image, task: Task) -> PictureKind | None:
    """The kind of `image` (H, W, 3) BGR, if it is clearly not that of `task`."""
    return _other(kind_of(image), task) if task.pictures else None


def mismatch(card: ModelCard, found: PictureKind | None, names: Sequence[str]) -> str:
    """A sentence about the pictures `names` of the kind `found`; "" if `found` is None."""
    wanted = tasks.load(card.task).pictures
    if found is None or wanted is None:
        return ""
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return (
        f"{names[0]}{more} looks like a {NAMES[found]}, but {card.name} labels pictures of the "
        f"kind '{NAMES[wanted]}': choose the model {OFFERED[found]}"
    )


def offered(found: PictureKind, known: Collection[str]) -> str | None:
    """The model to offer for pictures of a kind, if it is among the `known` ones."""
    return OFFERED[found] if OFFERED[found] in known else None


class FrameKinds:
    """Looks at some frames of a video, and decides by their majority."""

    def __init__(self, task: Task, every: int = LOOK_EVERY) -> None:
        self._task, self._every, self._frames = task, every, 0
        self._kinds: list[PictureKind | None] = []

    def look(self, frame: Frame) -> None:
        """Look at a frame before it is drawn on; most calls do nothing."""
        due = self._task.pictures and self._frames % self._every == 0
        self._frames += 1
        if due and len(self._kinds) < LOOKS:
            self._kinds.append(kind_of_frame(frame))

    @property
    def other(self) -> PictureKind | None:
        """The kind of most frames, if it is clearly not the task's."""
        return _other(most(self._kinds), self._task)


def _other(found: PictureKind | None, task: Task) -> PictureKind | None:
    return found if found != task.pictures else None
