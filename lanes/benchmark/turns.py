"""Times several configurations in turns, each in its own process.

`TurnTimer` runs in such a process: it loads, times the first image, then takes turns.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lanes.backends import LATENCY, THROUGHPUT
from lanes.errors import LanesError
from lanes.system.fresh_process import FreshProcess
from lanes.system.machine import peak_memory

TURN = 0.5
"""Seconds that a turn spends on single images, and again on several in flight."""
WARM_UP = 0.2
"""Seconds of untimed images at the start of a turn, until the last engine's threads sleep."""
LEAST = 3
"""Minimum number of images per turn."""

Input = NDArray[Any]


class Runner(Protocol):
    """A loaded network: at most `depth` inputs are between `submit` and `result`."""

    name: str
    precision: str
    depth: int

    def submit(self, image: Input) -> Any:
        """Start running; the image must not change until the result is taken."""

    def result(self, pending: Any) -> Any:
        """Wait for the output; call in order of submission."""


Key = TypeVar("Key", bound=Hashable)
Job = tuple[Callable[[str], Runner], Sequence[Input]]
"""A function that loads the runner for a hint, and the inputs to time; both get pickled."""


@dataclass(frozen=True)
class Loaded:
    """A loaded engine, with the seconds for its import and load, then for one image.

    `memory` is the increase in a fresh process's peak memory, in bytes.
    """

    engine: str
    precision: str
    load: float
    first: float
    memory: int


@dataclass(frozen=True)
class Turn:
    """Seconds of each image alone, and images per second with several in flight."""

    latencies: tuple[float, ...]
    throughput: float


class TurnTimer:
    """Loads a network for low latency and for high throughput, and times it on `images`."""

    def __init__(self, load: Callable[[str], Runner], images: Sequence[Input]) -> None:
        self.images: Iterator[Input] = cycle(images)
        before = peak_memory()
        began = time.perf_counter()
        self.runner = load(LATENCY)
        loaded = time.perf_counter()
        self._one()
        first = time.perf_counter()
        for _ in _lasting(WARM_UP):
            self._one()
        self.loaded = Loaded(
            engine=self.runner.name,
            precision=self.runner.precision,
            load=loaded - began,
            first=first - loaded,
            memory=peak_memory() - before,
        )
        self.many = load(THROUGHPUT)

    def details(self) -> Loaded:
        """The engine, its load time and memory."""
        return self.loaded

    def turn(self, seconds: float) -> Turn:
        """Time single images for `seconds`, then as long with as many in flight as fit."""
        for _ in _lasting(WARM_UP):
            self._one()
        latencies = tuple(self._one() for _ in _lasting(seconds))
        return Turn(latencies, self._throughput(seconds))

    def _one(self) -> float:
        image = next(self.images)
        began = time.perf_counter()
        self.runner.result(self.runner.submit(image))
        return time.perf_counter() - began

    def _throughput(self, seconds: float) -> float:
        """Results per second with the runner always busy."""
        flying = deque(self.many.submit(next(self.images)) for _ in range(self.many.depth))

        def flow(seconds: float) -> int:
            count = 0
            for _ in _lasting(seconds):
                self.many.result(flying.popleft())
                flying.append(self.many.submit(next(self.images)))
                count += 1
            return count

        flow(WARM_UP)
        began = time.perf_counter()
        rate = flow(seconds) / (time.perf_counter() - began)
        while flying:
            self.many.result(flying.popleft())
        return rate


def _lasting(seconds: float) -> Iterable[int]:
    """Count until `seconds` have passed, and at least to `LEAST`."""
    end, count = time.perf_counter() + seconds, 0
    while count < LEAST or time.perf_counter() < end:
        yield count
        count += 1


@dataclass(frozen=True)
class Timing:
    """The cost of a configuration: seconds per image (one at a time), images per second, bytes.

    `load` is the seconds that loading took, including the engine's import, with a filled cache;
    `first` those of the first image after it. `throughput` is the median of the turns, with the
    engine loaded for throughput and always busy. `memory` is the increase in a fresh process's peak
    memory.
    """

    load: float
    first: float
    p50: float
    p95: float
    p99: float
    images: int
    throughput: float
    memory: int


@dataclass(frozen=True)
class Timed:
    """One configuration's timing; `medians` are the seconds per image of each turn, in order."""

    loaded: Loaded
    timing: Timing
    medians: tuple[float, ...]


def take_turns(
    jobs: Mapping[Key, Job],
    rounds: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[Key, Timed], dict[Key, str]]:
    """Time `jobs` in turns; returns the timings, and why others failed.

    Calls `progress(done)` after each load and each turn, `len(jobs) * (rounds + 1)` times in all.
    """
    failed: dict[Key, str] = {}
    turns: dict[Key, list[Turn]] = {}
    found: dict[Key, Timed] = {}
    order, done = random.Random(0), 0
    with ExitStack() as stack:
        timers: dict[Key, FreshProcess] = {}
        for key, (load, images) in jobs.items():
            try:
                timers[key] = stack.enter_context(FreshProcess(TurnTimer, load, images))
            except LanesError as error:
                failed[key] = str(error)
            progress(done := done + 1)
        for _ in range(rounds):
            for key in order.sample(list(timers), len(timers)):
                try:
                    turns.setdefault(key, []).append(timers[key].call("turn", TURN))
                except LanesError as error:
                    failed[key] = str(error)
                    del timers[key]
                progress(done := done + 1)
        for key in jobs:
            if key in timers:
                found[key] = _timed(timers[key].call("details"), turns[key])
    return found, failed


def _timed(loaded: Loaded, turns: Sequence[Turn]) -> Timed:
    latencies = np.concatenate([turn.latencies for turn in turns])
    p50, p95, p99 = (float(value) for value in np.percentile(latencies, [50, 95, 99]))
    timing = Timing(
        load=loaded.load,
        first=loaded.first,
        p50=p50,
        p95=p95,
        p99=p99,
        images=len(latencies),
        throughput=statistics.median(turn.throughput for turn in turns),
        memory=loaded.memory,
    )
    return Timed(loaded, timing, tuple(statistics.median(turn.latencies) for turn in turns))


def ratio(slow: Timed, fast: Timed) -> float:
    """How many times as fast `fast` is as `slow`: the median of the rounds' ratios."""
    pairs = zip(slow.medians, fast.medians, strict=True)
    return statistics.median(one / other for one, other in pairs)
