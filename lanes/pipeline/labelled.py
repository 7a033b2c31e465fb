"""A labelled frame, whose costly parts are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.draw.overlay import ALPHA, only, overlay_bgr
from lanes.errors import UnknownName
from lanes.images.resize import resize_labels
from lanes.plugins import unknown
from lanes.types import Frame, Image, LabelMap, Result, Task


@dataclass(eq=False, repr=False)
class Labelled:
    """An image or a video's frame with its labels.

    `result` is what the network said, at its own size; all that is made of it here is at the
    image's size.
    """

    result: Result
    task: Task

    @property
    def frame(self) -> Frame:
        """The picture, with its time and number in the video; `frame.bgr` is (H, W, 3), uint8."""
        return self.result.frame

    @cached_property
    def labels(self) -> LabelMap:
        """Class ids (H, W), uint8, at the image's size."""
        return resize_labels(self.result.labels, self.frame.size)

    @cached_property
    def measures(self) -> dict[str, float]:
        """What the task measures, by name: shares of the picture, counts of cells."""
        return self.task.measure(self.labels)

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where the class `name` is: (H, W); raises `UnknownName`."""
        return np.asarray(self.labels == self._id(name))

    def share(self, name: str) -> float:
        """Share of the picture that is the class `name`, 0..1; raises `UnknownName`."""
        return float(self.mask(name).mean())

    def draw(
        self,
        alpha: float = ALPHA,
        classes: Collection[str] | None = None,
        colours: Mapping[str, tuple[int, int, int]] | None = None,
    ) -> Image:
        """A copy of the picture (H, W, 3) BGR with the labels drawn over it.

        `alpha` is the opacity, 0..1. `classes` are the names of those to draw (default: all).
        `colours` gives classes other BGR colours than the task's.

        Raises:
            UnknownName: the model has no class of that name.
        """
        for name in [*(classes or ()), *(colours or ())]:
            self._id(name)
        task = only(self.task, classes)
        if colours:
            changed = (replace(c, colour=colours.get(c.name, c.colour)) for c in task.classes)
            task = replace(task, classes=tuple(changed))
        return overlay_bgr(self.frame.bgr, self.result.labels, task, alpha)

    def _id(self, name: str) -> int:
        names = self.task.class_names
        if name not in names:
            raise UnknownName(unknown(f"task {self.task.name}", name, list(names)))
        return names.index(name)

    def __repr__(self) -> str:
        height, width = self.frame.size
        present = np.bincount(self.result.labels.ravel(), minlength=len(self.task.classes))
        shares = zip(self.task.class_names, present / max(self.result.labels.size, 1), strict=True)
        told = ", ".join(f"{name} {share:.1%}" for name, share in shares if share)
        return f"<labelled {width}x{height}: {told}>"

    def _repr_png_(self) -> bytes:
        """What Jupyter shows: the picture with the labels drawn over it."""
        return bytes(cv2.imencode(".png", self.draw())[1])
