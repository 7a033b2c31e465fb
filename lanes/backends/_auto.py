"""Picks the fastest backend and precision for a model on this machine: timed once, then cached."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from lanes import plugins
from lanes.backends import _cache
from lanes.backends._engine import INT8
from lanes.errors import BadInput, LanesError, MissingDependency, UnknownName
from lanes.types import Backend, Pending, Size

PREFERENCE = ("openvino", "onnxruntime")
"""Backends that run everywhere, the usually faster first."""
CANDIDATES = (*PREFERENCE, "tensorrt")
"""Candidates of "auto": engines built for speed, not the reference or the baseline."""
PROCESSOR = ("model name", "flags", "CPU part", "Features")
"""Lines of /proc/cpuinfo that identify the CPU, on x86 and ARM."""
QUANTISED = "openvino"
"""The backend that also competes in int8: the cost of int8 was measured with it."""
LEAST_GAIN = 1.1
"""int8 costs accuracy, so it must be this many times as fast as the best other candidate."""
SECONDS = 0.4
"""How long to time a candidate, after its first image."""


@dataclass(frozen=True)
class Choice:
    """A candidate of "auto": `milliseconds` per image, or the `reason` why it cannot run.

    `precision` is what it ran at; "" if it did not run.
    """

    name: str
    precision: str = ""
    milliseconds: float | None = None
    reason: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class EngineSelector:
    """The candidates for one model: `size` (height, width) of its input, and how to `load` them.

    A candidate is a backend's name and the precision to request. The cached result is valid as long
    as `depends_on` stays the same.
    """

    size: Size
    candidates: tuple[tuple[str, str], ...]
    load: Callable[[str, str], Backend]
    depends_on: tuple[object, ...]

    def fastest(self, refresh: bool = False) -> tuple[str, str]:
        """The fastest that works, and its precision; `refresh` ignores the cached result.

        Raises:
            LanesError: no candidate works; if the model is at fault, its own error.
        """
        for choice in self.choices(refresh):
            if choice.chosen:
                return choice.name, choice.precision
        raise self._why_none()

    def choices(self, refresh: bool = False) -> list[Choice]:
        """All candidates; one is chosen if any works."""
        key = _cache.key(self.candidates, self.depends_on, _machine(), list(_engines()))
        found = None if refresh else _remembered(key)
        if found is None:
            found = _with_fastest([self._try(*candidate) for candidate in self.candidates])
            if any(choice.chosen for choice in found):
                kept = json.dumps([asdict(choice) for choice in found])
                _cache.write("auto", key, kept.encode())
        return found

    def _try(self, name: str, precision: str) -> Choice:
        try:
            with closing(self.load(name, precision)) as backend:
                return Choice(name, backend.precision, seconds(backend, self.size) * 1e3)
        except LanesError as error:
            return Choice(name, reason=str(error))

    def _why_none(self) -> LanesError:
        reasons = []
        for candidate in self.candidates:
            try:
                self.load(*candidate).close()
            except (BadInput, UnknownName) as error:  # no other backend would help
                return error
            except LanesError as error:
                reasons.append(str(error))
        details = "; ".join(dict.fromkeys(reasons))
        return MissingDependency(f"no backend can be loaded: {details}")


def seconds(backend: Backend, size: Size) -> float:
    """Seconds per image of `size`, with as many in flight as the backend allows."""
    images = np.full((1, *size, 3), 128, np.uint8)
    backend(images)  # the first one takes longer
    flying: deque[Pending] = deque()
    count = 0
    began = time.perf_counter()
    while not count or time.perf_counter() - began < SECONDS:
        if len(flying) == backend.depth:
            backend.result(flying.popleft())
            count += 1
        flying.append(backend.submit(images))
    while flying:
        backend.result(flying.popleft())
        count += 1
    return (time.perf_counter() - began) / count


def _with_fastest(found: list[Choice]) -> list[Choice]:
    timed = [choice for choice in found if choice.milliseconds is not None]
    best = min(timed, key=_weighed, default=None)
    return [replace(choice, chosen=choice is best) for choice in found]


def _weighed(choice: Choice) -> float:
    gain = LEAST_GAIN if choice.precision == INT8 else 1.0
    return (choice.milliseconds or 0.0) * gain


def _remembered(key: str) -> list[Choice] | None:
    content = _cache.read("auto", key)
    if content is None:
        return None
    try:
        return [Choice(**values) for values in json.loads(content)]
    except (ValueError, TypeError):  # written by another version of lanes
        return None


def candidates(name: str, precision: str, int8: bool) -> Iterator[tuple[str, str]]:
    """(backend, precision) pairs to try for the backend `name` ("auto": all) at `precision`.

    `int8`: the model has an int8 network, and its card gives the accuracy cost.
    """
    for one in _names() if name == "auto" else [name]:
        yield one, precision
        if int8 and precision == "auto" and one == QUANTISED:
            yield one, INT8


def _names() -> list[str]:
    known = plugins.names("backends")
    return [name for name in CANDIDATES if name in known]


def _engines() -> Iterator[tuple[str, int]]:
    """Path and modification time of each installed engine, which change with its version."""
    for name in _names():
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            with contextlib.suppress(OSError):
                yield spec.origin, os.stat(spec.origin).st_mtime_ns


def _machine() -> tuple[str, str, int | None]:
    """CPU, NVIDIA driver and core count: machines may share a home directory."""
    processor, driver = platform.processor(), ""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        # The first cores are enough; clock speeds and the like change all the time.
        processor = "".join(line for line in islice(file, 30) if line.startswith(PROCESSOR))
    with contextlib.suppress(OSError):
        driver = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    return processor, driver, os.cpu_count()
