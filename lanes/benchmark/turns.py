"""Times several configurations in turns, each in a process of its own."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lanes.benchmark.trial import Input, Loaded, Runner, Trial, Turn
from lanes.errors import LanesError
from lanes.fresh_process import FreshProcess

TURN = 0.5
"""Seconds of a turn's images one by one, and again as many of its images in flight."""

Key = TypeVar("Key", bound=Hashable)
Job = tuple[Callable[[str], Runner], Sequence[Input]]
"""How the runner is loaded for a hint, and what it is timed on; both are pickled."""


@dataclass(frozen=True)
class Timing:
    """What a configuration costs: seconds an image (one at a time), images a second, bytes.

    `load` and `first` are the seconds that loading took (the engine's import included, and what it
    keeps in our cache at hand) and then the first image. `throughput` is the median of the turns,
    with the engine loaded for it and never without work. `memory` is by how much loading and
    running raised the peak of a fresh process.
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
    """One configuration's timing; `medians` are the seconds an image of each turn, in order."""

    loaded: Loaded
    timing: Timing
    medians: tuple[float, ...]


def take_turns(
    jobs: Mapping[Key, Job],
    rounds: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[Key, Timed], dict[Key, str]]:
    """Time `jobs` in turns; gives the timings, and why the others failed.

    `progress(done)` is called after each load and each turn, `len(jobs) * (rounds + 1)` in all.
    """
    failed: dict[Key, str] = {}
    turns: dict[Key, list[Turn]] = {}
    found: dict[Key, Timed] = {}
    order, done = random.Random(0), 0
    with ExitStack() as stack:
        trials: dict[Key, FreshProcess] = {}
        for key, (load, images) in jobs.items():
            try:
                trials[key] = stack.enter_context(FreshProcess(Trial, load, images))
            except LanesError as error:
                failed[key] = str(error)
            progress(done := done + 1)
        for _ in range(rounds):
            for key in order.sample(list(trials), len(trials)):
                try:
                    turns.setdefault(key, []).append(trials[key].call("turn", TURN))
                except LanesError as error:
                    failed[key] = str(error)
                    del trials[key]
                progress(done := done + 1)
        for key in jobs:
            if key in trials:
                found[key] = _timed(trials[key].call("told"), turns[key])
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
    """How many times faster `fast` is than `slow`: the median over the rounds of both."""
    pairs = zip(slow.medians, fast.medians, strict=True)
    return statistics.median(one / other for one, other in pairs)
