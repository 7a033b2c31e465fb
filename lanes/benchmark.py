"""Where the time of a video goes, stage by stage and as a whole; and what models cost alone.

Stages run alone as they run in the pipeline: the same code, settings and threads. Rounds alternate,
so that a machine whose speed drifts slows all of them alike; figures are medians of the rounds.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from lanes import segmenter as segmenters
from lanes.annotate import Options, annotate
from lanes.errors import BackendError
from lanes.overlay import overlay
from lanes.resize import resize_image
from lanes.segmenter import Segmenter
from lanes.types import Frame, Image, Pending
from lanes.video import VideoSink, VideoSource

WARM_UP = 10
"""Images that each model labels before its times count."""
KEPT_FRAMES = 60
"""Frames held in memory for the stages that run alone, used again and again."""


@dataclass(frozen=True)
class VideoBenchmark:
    """Seconds a frame, medians over the rounds; `pipeline_fps` is of the whole command.

    `serial_fps` is 1 / (decode + infer + encode): what a program without overlap would reach if
    resizing and drawing cost nothing.
    """

    clip: str
    size: tuple[int, int]
    frames: int
    rounds: int
    decode: float
    infer: float
    encode: float
    pipeline: float
    model: str
    backend: str
    precision: str
    machine: str

    @property
    def pipeline_fps(self) -> float:
        """Frames a second of the whole pipeline."""
        return 1 / self.pipeline

    @property
    def serial_fps(self) -> float:
        """Frames a second of the three stages one after the other."""
        return 1 / (self.decode + self.infer + self.encode)

    @property
    def ratio(self) -> float:
        """The pipeline's rate as a share of the serial one; above 1 the overlap pays."""
        return self.pipeline_fps / self.serial_fps

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        rates = {n: getattr(self, n) for n in ("pipeline_fps", "serial_fps", "ratio")}
        return {**asdict(self), **rates}


def benchmark_video(
    clip: Path,
    segmenter: Segmenter,
    rounds: int = 5,
    progress: Callable[[int], None] = lambda done: None,
) -> VideoBenchmark:
    """Time `clip` by stage and as a whole; `progress(done)` is called after each round."""
    with VideoSource(clip) as source:
        kept = list(islice(source, KEPT_FRAMES))
        size = source.size
    images = [resize_image(frame.bgr, segmenter.card.resize) for frame in kept]
    drawn = [overlay(f, segmenter(f.bgr), segmenter.task) for f in kept]
    count = decode(clip)[0]
    times: dict[str, list[float]] = {n: [] for n in ("decode", "infer", "encode", "pipeline")}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.mp4"
        for number in range(rounds):
            times["decode"].append(decode(clip)[1])
            times["infer"].append(infer(segmenter, images, count))
            times["encode"].append(encode(clip, drawn, count, output))
            times["pipeline"].append(pipeline(clip, segmenter, output))
            progress(number + 1)
    return VideoBenchmark(
        clip=clip.name,
        size=size,
        frames=count,
        rounds=rounds,
        model=segmenter.card.name,
        backend=segmenter.backend.name,
        precision=segmenter.backend.precision,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        **{name: statistics.median(values) for name, values in times.items()},
    )


@dataclass(frozen=True)
class ModelBenchmark:
    """One image through a model alone: `p50` and `p95` in seconds, the growth of memory in bytes.

    `memory` is by how much loading and running the model raised the peak of a fresh process.
    """

    model: str
    backend: str
    precision: str
    p50: float
    p95: float
    memory: int


def benchmark_models(
    models: Sequence[str], backend: str = "auto", precision: str = "auto", rounds: int = 100
) -> list[ModelBenchmark]:
    """Time `models` on one image each, in turns, so that a machine's drift meets all alike."""
    memory = [peak_memory(model, backend, precision) for model in models]
    with ExitStack() as stack:
        loaded = [stack.enter_context(segmenters.load(m, backend, precision)) for m in models]
        images = [np.full((*m.card.resize.size, 3), 128, np.uint8) for m in loaded]
        times: list[list[float]] = [[] for _ in loaded]
        for number in range(rounds + WARM_UP):
            for model, image, kept in zip(loaded, images, times, strict=True):
                began = time.perf_counter()
                model.result(model.submit_resized(image))
                if number >= WARM_UP:
                    kept.append(time.perf_counter() - began)
        return [
            ModelBenchmark(
                model=model.card.name,
                backend=model.backend.name,
                precision=model.backend.precision,
                p50=float(np.percentile(kept, 50)),
                p95=float(np.percentile(kept, 95)),
                memory=grown,
            )
            for model, kept, grown in zip(loaded, times, memory, strict=True)
        ]


def peak_memory(model: str, backend: str, precision: str) -> int:
    """Bytes by which a fresh process grew at its peak, from the engine's import to ten images.

    0 where the system does not tell (Windows).
    """
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, model, backend, precision],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise BackendError(f"{model} does not run in a process of its own: {told}")
    return int(done.stdout)


GROWTH = """
import re
import sys
import numpy as np
from lanes import segmenter
try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:
    print(0)
    raise SystemExit
def peak():
    if sys.platform == "linux":
        # ru_maxrss begins with the peak of the process that started this one.
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    return getrusage(RUSAGE_SELF).ru_maxrss
before = peak()
with segmenter.load(*sys.argv[1:]) as model:
    for _ in range(10):
        model(np.zeros((*model.card.resize.size, 3), np.uint8))
print(peak() - before)
"""


def decode(clip: Path) -> tuple[int, float]:
    """The number of frames, and the seconds that reading one takes, alone."""
    began = time.perf_counter()
    with VideoSource(clip) as source:
        count = sum(1 for _ in source)
    return count, (time.perf_counter() - began) / count


def infer(segmenter: Segmenter, images: Sequence[Image], count: int) -> float:
    """Seconds a frame of inference alone, with as many in flight as the backend takes."""
    flying: deque[Pending] = deque()
    began = time.perf_counter()
    for image in islice(cycle(images), count):
        if len(flying) == segmenter.backend.depth:
            segmenter.result(flying.popleft())
        flying.append(segmenter.submit_resized(image))
    while flying:
        segmenter.result(flying.popleft())
    return (time.perf_counter() - began) / count


def encode(clip: Path, frames: Sequence[Frame], count: int, output: Path) -> float:
    """Seconds a frame of writing annotated frames, alone, the finished file included."""
    with VideoSource(clip) as source:
        began = time.perf_counter()
        with VideoSink.like(source, output, overwrite=True, audio_from=clip) as sink:
            for frame in islice(cycle(frames), count):
                sink.write(frame.planes)
    return (time.perf_counter() - began) / count


def pipeline(clip: Path, segmenter: Segmenter, output: Path) -> float:
    """Seconds a frame of the whole command but for loading the model."""
    summary = annotate(str(clip), segmenter, Options(output=output, overwrite=True))
    return summary.seconds / summary.frames
