"""Compares two models on one clip, frame by frame: labels, speed, IoU and agreement.

    with SideBySide("drive.mp4", (one, other)) as pair:
        while (now := pair.snapshot()).state in ("opening", "playing"):
            show(now.frame, now.sides)  # None and () before the first frame

The models label each frame one after the other, so that they stay in step, and the time of one does
not include the work of the other.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import numpy as np

from lanes.errors import BadInput
from lanes.images.resize import resize_frame, resize_labels
from lanes.metrics.clip_scores import Pool
from lanes.metrics.confusion_matrix import confusion_matrix
from lanes.pipeline.stages import prefetch
from lanes.segmenter import Segmenter
from lanes.system.meters import LatencyMeter, RateMeter
from lanes.system.threads import share, usable_cores
from lanes.types import IGNORE, Frame, LabelMap, Task
from lanes.video import open_source
from lanes.video.label_files import Truth, open_truth, sayable

State: TypeAlias = Literal["opening", "playing", "ended", "stopped", "failed"]
WINDOW = 60
"""Number of recent frames in the reported times."""


@dataclass(frozen=True)
class Side:
    """One model's labels of the newest frame, with its statistics.

    `seconds` is the model's median time from a frame to its labels, over the last frames. `iou` is
    by class, 0..1, pooled over the last frames with ground truth; `iou_total` over all of them. A
    class that is newer than the model has none.
    """

    labels: LabelMap
    seconds: float
    iou: dict[str, float]
    iou_total: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """The state of a comparison; `sides` are in the order of the models.

    `agreement` is the IoU, 0..1, by class between the labels of the two models, pooled over the
    last frames: 1 if they are equal, right or wrong. Classes that one does not know do not count.
    """

    state: State
    task: Task
    frame: Frame | None = None
    sides: tuple[Side, ...] = ()
    agreement: dict[str, float] | None = None
    frames: int = 0
    fps: float = 0.0
    error: BaseException | None = None


class SideBySide:
    """Plays a file through two segmenters until it ends, or with `loop` until `close`.

    The constructor returns at once; errors of the input are in `snapshot().error`.

    Raises:
        BadInput: the models have different tasks.
    """

    def __init__(
        self,
        given: str | Path,
        segmenters: tuple[Segmenter, Segmenter],
        labels: Path | None = None,
        loop: bool = False,
    ) -> None:
        one, other = (each.card for each in segmenters)
        if one.task != other.task:
            raise BadInput(
                f"{one.name} has the task {one.task!r}, {other.name} {other.task!r}: "
                "compare two models with the same task"
            )
        self._given, self._labels, self._loop = str(given), labels, loop
        self._models = segmenters
        # An older model may lack a class that was added to the task later.
        by_classes = sorted(segmenters, key=lambda each: len(each.task.classes))
        self._shared_task, self._task = (each.task for each in by_classes)
        self._truth_pools = [Pool(each.task) for each in segmenters]
        self._agreement = Pool(self._shared_task)
        self._times = [LatencyMeter(WINDOW) for _ in segmenters]
        self._meter = RateMeter(WINDOW)
        self._stop = threading.Event()
        self._now = Comparison("opening", self._task)
        self._thread = threading.Thread(target=self._run, name="side-by-side", daemon=True)
        self._thread.start()

    def snapshot(self) -> Comparison:
        """The newest frame with the labels and statistics of both models; does not block."""
        return self._now

    def close(self, limit: float = 15.0) -> bool:
        """Stop the thread; returns whether it ended within `limit` seconds."""
        self._stop.set()
        self._thread.join(limit)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._play()
            while self._loop and not self._stop.is_set():
                self._play()
            ended: State = "stopped" if self._stop.is_set() else "ended"
            self._now = replace(self._now, state=ended)
        except BaseException as error:
            # Nothing joins this thread; the snapshot reports the error.
            self._now = replace(self._now, state="failed", error=error)

    def _play(self) -> None:
        with ExitStack() as stack:
            threads = share(usable_cores()).decode
            source = stack.enter_context(open_source(self._given, threads=threads))
            truth = None
            if self._labels:
                truth = open_truth(self._labels, source, self._task)
                stack.callback(truth.close)
            for frame in stack.enter_context(closing(prefetch(source))):
                if self._stop.is_set():
                    return
                self._compare(frame, truth)

    def _compare(self, frame: Frame, truth: Truth | None) -> None:
        # Alternate the order: the first model shares the CPU with the decoder.
        first = frame.index % 2
        found = {n: self._label(frame, n) for n in (first, 1 - first)}
        labels = [found[0], found[1]]
        whole = [resize_labels(each, frame.size) for each in labels]
        shared = len(self._shared_task.classes)
        both = np.where(whole[1] < shared, sayable(whole[0], self._shared_task), IGNORE)
        self._agreement.add(confusion_matrix(both, whole[1], shared))
        if truth:
            right = truth.labels_of(frame, frame.index)
            for pool, each, model in zip(self._truth_pools, whole, self._models, strict=True):
                known = sayable(right, model.task)
                pool.add(confusion_matrix(known, each, len(model.task.classes)))
        self._meter.tick()
        sides = tuple(
            Side(each, times.percentile(50), pool.recent, pool.total)
            for each, times, pool in zip(labels, self._times, self._truth_pools, strict=True)
        )
        self._now = Comparison(
            "playing",
            self._task,
            frame,
            sides,
            self._agreement.recent,
            self._now.frames + 1,
            self._meter.rate,
        )

    def _label(self, frame: Frame, number: int) -> LabelMap:
        """The labels of model `number`; records its time."""
        model = self._models[number]
        began = time.perf_counter()
        labels = model.result(model.submit_resized(resize_frame(frame, model.card.resize)))
        self._times[number].add(time.perf_counter() - began)
        return labels
