"""What happens in the process of one configuration: load, the first image, then turns."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

from numpy.typing import NDArray

from lanes.backends import LATENCY, THROUGHPUT
from lanes.machine import peak_memory

WARM_UP = 0.2
"""Seconds of images that begin a turn and do not count: the last engine's threads fall asleep."""
LEAST = 3
"""Images that a turn has, however slow the engine."""

Input = NDArray[Any]


class Runner(Protocol):
    """A loaded network: at most `depth` inputs are between `submit` and `result`."""

    name: str
    precision: str
    depth: int

    def submit(self, image: Input) -> Any:
        """Begin to run; the image must not change until the result is taken."""

    def result(self, pending: Any) -> Any:
        """Wait for what comes out, in order of submission."""


@dataclass(frozen=True)
class Loaded:
    """What runs, and the seconds until it did: the engine's import and load, then one image.

    `memory` is by how many bytes loading and running raised the peak of a fresh process.
    """

    engine: str
    precision: str
    load: float
    first: float
    memory: int


@dataclass(frozen=True)
class Turn:
    """Seconds of each image alone, and images a second with several in flight."""

    latencies: tuple[float, ...]
    throughput: float


class Trial:
    """Loads a network for short latency and for high throughput, and times it on `images`."""

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

    def told(self) -> Loaded:
        """What runs."""
        return self.loaded

    def turn(self, seconds: float) -> Turn:
        """Time images for `seconds` one by one, and as long with as many in flight as fit."""
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
        """Results a second, while the runner is never without work."""
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
    """Count until `seconds` are over, and to `LEAST` at least."""
    end, count = time.perf_counter() + seconds, 0
    while count < LEAST or time.perf_counter() < end:
        yield count
        count += 1
