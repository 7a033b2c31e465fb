"""A labelled frame; expensive attributes are computed on first access.

`labelled` wraps each result of `segment` in a `Labelled` and passes it through the steps: callables
that take a `Labelled` and return one, such as smoothing, line fitting and tracking. Steps see the
frames in order, before anything is drawn, shown or written.

    def without_speckles(labelled: Labelled) -> Labelled:
        return labelled.relabelled(cv2.medianBlur(labelled.network_labels, 5))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.draw import hud
from lanes.draw.overlay import ALPHA, draw_labels, only, overlay, overlay_bgr
from lanes.errors import BadInput, UnknownName
from lanes.images.resize import resize_labels, resize_scores
from lanes.lines.follow import Lane, LaneFollower
from lanes.pipeline import lane_drawing as drawing
from lanes.plugins import unknown
from lanes.types import Frame, Image, LabelMap, LaneLine, Result, ScoreMap, Task


@dataclass(frozen=True)
class Look:
    """How `Labelled.drawn` draws a frame.

    `alpha` is the opacity of the labels, 0..1. `classes` are the names of the classes to draw
    (None: all). `lines` is the text of the HUD. `in_place` draws on the frame itself, without a
    copy; use it if nothing else needs the original frame. `birdseye` adds the road from above.
    `lane` draws the lane lines, if they are followed; `bar` also the position in the lane and the
    departure warning, which come with the HUD.
    """

    alpha: float = ALPHA
    classes: Collection[str] | None = None
    lines: tuple[str, ...] = ()
    in_place: bool = False
    birdseye: bool = False
    lane: bool = True
    bar: bool = False


@dataclass(eq=False, repr=False)
class Labelled:
    """An image or a video frame with its labels.

    `result` has the labels at the network's size; `labels` and everything else here is at the
    image's size. `number` is the frame's index in the whole input. `iou` is by class, 0..1, with
    ground truth only. `cut` is true if the frame does not directly follow the one before, as after
    a pause or a seek. `follower` finds the lane in a video.
    """

    result: Result
    task: Task
    number: int = 0
    iou: Mapping[str, float] | None = None
    cut: bool = False
    look: Look = Look()
    follower: LaneFollower | None = None

    @property
    def frame(self) -> Frame:
        """The frame, with its time and index in the video; `frame.bgr` is (H, W, 3), uint8."""
        return self.result.frame

    @property
    def network_labels(self) -> LabelMap:
        """Class ids (h, w), uint8, at the network's size."""
        return self.result.labels

    @property
    def seconds(self) -> dict[str, float]:
        """The duration of each stage, by name."""
        return self.result.seconds

    @property
    def inferred(self) -> bool:
        """Whether the network labelled this frame, rather than optical flow."""
        return self.result.inferred

    def relabelled(self, labels: LabelMap) -> Labelled:
        """The same frame with other labels, of any size."""
        return replace(self, result=replace(self.result, labels=labels))

    @cached_property
    def labels(self) -> LabelMap:
        """Class ids (H, W), uint8, at the image's size."""
        return resize_labels(self.network_labels, self.frame.size)

    @cached_property
    def scores(self) -> ScoreMap:
        """Class probabilities (C, H, W), float16, resized linearly from the network's size.

        At the network's size, each label has the highest score (rounded to float16, another class
        may tie). Resized, they may differ at borders: a label is the nearest pixel's.

        Raises:
            BadInput: the frame was labelled without scores.
        """
        if self.result.scores is None:
            cure = "scores=True" if self.inferred else "infer_every=1: optical flow carries none"
            raise BadInput(f"this frame has labels, but no scores: label it with {cure}")
        return resize_scores(self.result.scores, self.frame.size)

    @cached_property
    def lane(self) -> Lane:
        """The lane lines, and the car's position in its lane; found at the first access.

        In a video, ask for the frames in order: each is followed from those before it.

        Raises:
            BadInput: the task has no lane lines.
        """
        if not self.task.lines:
            raise BadInput(
                f"the task {self.task.name!r} has no lane lines: use a model of the task 'lanes'"
            )
        follower = self.follower or LaneFollower()
        return follower.update(self.network_labels, self.frame, self.cut)

    @property
    def lines(self) -> list[LaneLine]:
        """The lane lines from left to right, in the frame's pixels; raises as `lane` does."""
        return self.lane.lines

    @cached_property
    def measures(self) -> dict[str, float]:
        """The task's measures by name: shares of the image, 0..1, or counts of cells."""
        return self.task.measure(self.labels)

    @cached_property
    def drawn(self) -> Frame:
        """The frame with labels, lane and HUD, drawn as `look` says at the first access."""
        look, task, labels = self.look, only(self.task, self.look.classes), self.network_labels
        lane = self.lane if self.follower and look.lane else None
        if lane and look.alpha > 0:
            labels, task = drawing.with_lane(labels, task, lane, self.frame.size)
        if look.in_place:
            frame = self.frame
            draw_labels(frame, labels, task, look.alpha)
        else:
            frame = overlay(self.frame, labels, task, look.alpha)
        if lane and look.alpha > 0:
            drawing.draw_lines(frame, lane, self.network_labels)
        if lane and look.birdseye:
            drawing.draw_birdseye(frame, lane)
        text = hud.draw(frame, look.lines) if look.lines else (slice(0, 0), slice(0, 0))
        if lane and (look.lines or look.bar):
            drawing.draw_position(frame, lane, text)
        return frame

    def looking(self, look: Look) -> Labelled:
        """The same result, to be drawn as `look` says."""
        other = copy(self)
        other.look = look
        other.__dict__.pop("drawn", None)
        return other

    def mask(self, name: str) -> NDArray[np.bool_]:
        """A boolean mask (H, W) of the class `name`; raises `UnknownName`."""
        return np.asarray(self.labels == self._id(name))

    def share(self, name: str) -> float:
        """Share of the image that has the class `name`, 0..1; raises `UnknownName`."""
        return float(self.mask(name).mean())

    def draw(
        self,
        alpha: float = ALPHA,
        classes: Collection[str] | None = None,
        colours: Mapping[str, tuple[int, int, int]] | None = None,
        lines: bool = False,
    ) -> Image:
        """A copy of the image (H, W, 3), BGR, with the labels drawn over it.

        `alpha` is the opacity, 0..1. `classes` are the names of the classes to draw (default: all).
        `colours` overrides the task's BGR colours by class name. `lines` draws the own lane and the
        lane lines, too.

        Raises:
            BadInput: `lines`, but the task has no lane lines.
            UnknownName: the model has no class of that name.
        """
        for name in [*(classes or ()), *(colours or ())]:
            self._id(name)
        task = only(self.task, classes)
        if colours:
            changed = (replace(c, colour=colours.get(c.name, c.colour)) for c in task.classes)
            task = replace(task, classes=tuple(changed))
        if lines:
            labels, task = drawing.with_lane(self.network_labels, task, self.lane, self.frame.size)
            frame = overlay(self.frame, labels, task, alpha)
            drawing.draw_lines(frame, self.lane, self.network_labels)
            return frame.bgr
        return overlay_bgr(self.frame.bgr, self.network_labels, task, alpha)

    def _id(self, name: str) -> int:
        names = self.task.class_names
        if name not in names:
            raise UnknownName(unknown(f"task {self.task.name}", name, list(names)))
        return names.index(name)

    def __repr__(self) -> str:
        height, width = self.frame.size
        present = np.bincount(self.network_labels.ravel(), minlength=len(self.task.classes))
        shares = zip(self.task.class_names, present / max(self.network_labels.size, 1), strict=True)
        text = ", ".join(f"{name} {share:.1%}" for name, share in shares if share)
        return f"<labelled {width}x{height}: {text}>"

    def _repr_png_(self) -> bytes:
        """The image with labels, for Jupyter."""
        return bytes(cv2.imencode(".png", self.draw())[1])


Step: TypeAlias = Callable[[Labelled], Labelled]
"""A function applied to each result between `segment` and the outputs."""


def labelled(
    results: Iterable[Result],
    task: Task,
    first: int = 0,
    steps: Iterable[Step] = (),
    cuts: Container[int] = (),
) -> Iterator[Labelled]:
    """Wrap each of `results` of a model for `task`, and pass it through `steps` in order.

    `first` is the index of the source's first frame in the whole input. `cuts` are the indices of
    frames that do not directly follow the previous frame.
    """
    steps = tuple(steps)
    for result in results:
        index = result.frame.index
        item = Labelled(result, task, first + index, cut=index in cuts)
        for step in steps:
            item = step(item)
        yield item
