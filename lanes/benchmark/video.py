"""Times a video: each stage alone, all overlapped, and the bounds of the pipeline.

Single stages use the same code, settings and threads as the pipeline. Stages take turns in each
round, so a machine whose speed drifts slows all of them equally; figures are medians of the rounds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

from lanes import segmenter
from lanes.draw import hud
from lanes.draw.overlay import draw_labels, overlay
from lanes.errors import BadInput
from lanes.images.resize import resize_frame
from lanes.pipeline.label_video import CHANGE_EVERY, Options, annotate
from lanes.segmenter import Segmenter
from lanes.system.fresh_process import FreshProcess
from lanes.system.machine import Machine, machine, peak_memory
from lanes.system.threads import Threads, opencv_threads, share, usable_cores
from lanes.types import Pending
from lanes.video import Quality, VideoSink, VideoSource
from lanes.video.opening import is_url

T = TypeVar("T")
STAGES = ("decode", "prepare", "infer", "draw", "encode")
SERIAL = ("decode", "infer", "encode")
KEPT_FRAMES = 60
"""Frames held in memory for the single stages, which loop over them."""


@dataclass(frozen=True)
class Cost:
    """Seconds per frame: wall clock, and CPU time of all cores."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class VideoFigures:
    """Medians of the rounds. `memory` is the peak of a fresh process in bytes (0: unknown).

    `pipeline` is all of `lanes video` except loading the model.
    """

    machine: Machine
    clip: str
    size: tuple[int, int]
    frames: int
    rounds: int
    model: str
    backend: str
    precision: str
    hint: str
    quality: str
    stages: dict[str, Cost]
    pipeline: Cost
    memory: int

    @property
    def fps(self) -> float:
        """Frames per second of the pipeline."""
        return 1 / self.pipeline.seconds

    @property
    def serial_fps(self) -> float:
        """1 / (decode + infer + encode): the rate without overlap if everything else were free."""
        return 1 / sum(self.stages[name].seconds for name in SERIAL)

    @property
    def ratio(self) -> float:
        """The pipeline's rate divided by the serial one; above 1, the overlap pays off."""
        return self.fps / self.serial_fps

    @property
    def slowest(self) -> str:
        """The stage that takes longest alone; no pipeline can be faster."""
        return max(self.stages, key=lambda name: self.stages[name].seconds)

    @property
    def cpu_fps(self) -> float:
        """Frames per second if all cores did only the stages' work, without pause."""
        return self.machine.cores / sum(cost.cpu for cost in self.stages.values())

    @property
    def bound_fps(self) -> float:
        """The best rate that overlapping could reach: the lower of the two bounds."""
        return min(self.cpu_fps, 1 / self.stages[self.slowest].seconds)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        names = ("fps", "serial_fps", "ratio", "slowest", "cpu_fps", "bound_fps")
        return {**asdict(self), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class VideoOptions:
    """The user's options; see `lanes benchmark video --help`."""

    clip: str
    model: str
    backend: str = "auto"
    precision: str = "auto"
    device: str | None = None
    threads: int | None = None
    hint: str = "latency"
    quality: Quality = "fast"
    max_frames: int | None = None

    def load(self) -> Segmenter:
        """Load the model."""
        return segmenter.load(
            self.model, self.backend, self.precision, self.device, self.threads, self.hint
        )

    def annotate(self, loaded: Segmenter, output: Path) -> int:
        """Run the whole pipeline; returns the number of frames."""
        options = Options(
            output=output, overwrite=True, quality=self.quality, max_frames=self.max_frames
        )
        return annotate(self.clip, loaded, options).frames


def benchmark_video(
    options: VideoOptions,
    rounds: int = 5,
    progress: Callable[[int], None] = lambda done: None,
) -> VideoFigures:
    """Time a clip by stage and as a whole; calls `progress(done)` after each round.

    Raises:
        BadInput, BadVideo: the clip cannot be read.
        The errors of `lanes.segmenter.load`.
    """
    if is_url(options.clip):
        raise BadInput(f"{options.clip} is an address; wanted a video file")
    with VideoSource(Path(options.clip)):  # fail before loading the model, which takes a while
        pass
    facts = machine()
    threads = share(usable_cores())
    with (
        options.load() as loaded,
        opencv_threads(threads.opencv),
        tempfile.TemporaryDirectory() as folder,
    ):
        output = Path(folder) / "out.mp4"
        memory = _peak_memory(options, output)
        alone = Alone(options, loaded, threads, output)
        whole = {**alone.stages(), "pipeline": alone.pipeline}
        costs: dict[str, list[Cost]] = {name: [] for name in whole}
        for number in range(rounds):
            for name, run in whole.items():
                costs[name].append(_cost(run))
            progress(number + 1)
        medians = {name: _median(found) for name, found in costs.items()}
        return VideoFigures(
            machine=facts,
            clip=Path(options.clip).name,
            size=alone.size,
            frames=alone.count,
            rounds=rounds,
            model=loaded.card.name,
            backend=loaded.backend.name,
            precision=loaded.backend.precision,
            hint=options.hint,
            quality=options.quality,
            pipeline=medians.pop("pipeline"),
            stages=medians,
            memory=memory,
        )


class Alone:
    """Runs single stages on frames held in memory; each run covers the length of the clip."""

    def __init__(
        self, options: VideoOptions, loaded: Segmenter, threads: Threads, output: Path
    ) -> None:
        self.options, self.loaded, self.threads, self.output = options, loaded, threads, output
        with self._source() as source:
            self.size = source.size
            self.kept = list(islice(source, KEPT_FRAMES))
            self.count = len(self.kept) + sum(1 for _ in source)
        self.images = [resize_frame(frame, loaded.card.resize) for frame in self.kept]
        self.labels = [loaded.result(loaded.submit_resized(image)) for image in self.images]
        self.drawn = [
            overlay(frame, labels, loaded.task)
            for frame, labels in zip(self.kept, self.labels, strict=True)
        ]
        # Overlays drawn many times on one frame flatten it, which would encode too fast.
        self.scratch = [overlay(frame, self.labels[0], loaded.task) for frame in self.kept[:16]]

    def stages(self) -> Mapping[str, Callable[[], int]]:
        """For each of `STAGES`, a function that runs it on the clip and returns the frame count."""
        return {name: getattr(self, name) for name in STAGES}

    def _source(self) -> VideoSource:
        return VideoSource(
            Path(self.options.clip),
            max_frames=self.options.max_frames,
            threads=self.threads.decode,
        )

    def _again(self, items: Iterable[T]) -> Iterable[T]:
        """Loop over `items` until the clip's frame count."""
        return islice(cycle(items), self.count)

    def decode(self) -> int:
        """Read the clip."""
        with self._source() as source:
            return sum(1 for _ in source)

    def prepare(self) -> int:
        """Make the network's input."""
        for frame in self._again(self.kept):
            resize_frame(frame, self.loaded.card.resize)
        return self.count

    def infer(self) -> int:
        """Label, with as many in flight as the backend allows."""
        flying: deque[Pending] = deque()
        for image in self._again(self.images):
            if len(flying) == self.loaded.depth:
                self.loaded.result(flying.popleft())
            flying.append(self.loaded.submit_resized(image))
        while flying:
            self.loaded.result(flying.popleft())
        return self.count

    def draw(self) -> int:
        """Draw labels and figures, in place."""
        frames = cycle(self.scratch)
        for number, labels in enumerate(self._again(self.labels)):
            frame = next(frames)
            draw_labels(frame, labels, self.loaded.task)
            # Change the figures as often as the pipeline does.
            hud.draw(frame, [f"{number // CHANGE_EVERY:.1f} FPS   inference 10.0 ms"])
        return self.count

    def encode(self) -> int:
        """Write the drawn frames, the sound and the finished file."""
        with self._source() as source:
            sink = VideoSink.like(
                source,
                self.output,
                quality=self.options.quality,
                overwrite=True,
                audio_from=self.options.clip,
                threads=self.threads.encode,
            )
        with sink:
            for frame in self._again(self.drawn):
                sink.write(frame.planes)
        return self.count

    def pipeline(self) -> int:
        """Run all stages, overlapped."""
        return self.options.annotate(self.loaded, self.output)


class PipelineRun:
    """Runs the whole job in its own process, to measure its memory."""

    def __init__(self, options: VideoOptions, output: Path) -> None:
        with options.load() as loaded:
            options.annotate(loaded, output)

    def peak(self) -> int:
        """Peak memory of the process, in bytes."""
        return peak_memory()


def _peak_memory(options: VideoOptions, output: Path) -> int:
    with FreshProcess(PipelineRun, options, output) as process:
        peak: int = process.call("peak")
    return peak


def _cost(run: Callable[[], int]) -> Cost:
    """Cost of a run per frame; idle threads that spin count as CPU time, too."""
    began, cpu = time.perf_counter(), time.process_time()
    count = run()
    return Cost((time.perf_counter() - began) / count, (time.process_time() - cpu) / count)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )
