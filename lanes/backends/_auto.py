"""Which backend, at which precision, is the fastest for a model here: timed once, remembered."""

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
"""Those that run everywhere, the usually faster first."""
CANDIDATES = (*PREFERENCE, "tensorrt")
"""What "auto" chooses from: engines made for speed, neither the reference nor the baseline."""
PROCESSOR = ("model name", "flags", "CPU part", "Features")
"""Lines of /proc/cpuinfo, of x86 and ARM."""
QUANTISED = "openvino"
"""The backend whose int8 is a candidate of its own: by it, what int8 costs a model was measured."""
LEAST_GAIN = 1.1
"""So many times as fast must int8 be, which costs accuracy, as the fastest other candidate."""
SECONDS = 0.4
"""How long a candidate is timed, after its first image."""


@dataclass(frozen=True)
class Choice:
    """A backend that "auto" may take: `milliseconds` an image, or the `reason` why it cannot run.

    `precision` is what it ran at; "" if it did not.
    """

    name: str
    precision: str = ""
    milliseconds: float | None = None
    reason: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Trial:
    """The candidates for one model: `size` (height, width) of its input, and how to `load` them.

    A candidate is a backend's name and the precision to ask it for. With another of the things that
    it `depends_on`, another one may be the fastest.
    """

    size: Size
    candidates: tuple[tuple[str, str], ...]
    load: Callable[[str, str], Backend]
    depends_on: tuple[object, ...]

    def fastest(self, anew: bool = False) -> tuple[str, str]:
        """The fastest that works, and its precision; `anew` asks the machine, not the memory.

        Raises:
            LanesError: none does; the error is the model's, if it has one.
        """
        for choice in self.choices(anew):
            if choice.chosen:
                return choice.name, choice.precision
        raise self._why_none()

    def choices(self, anew: bool = False) -> list[Choice]:
        """All candidates, one of them chosen unless none works."""
        key = _cache.key(self.candidates, self.depends_on, _machine(), list(_engines()))
        found = None if anew else _remembered(key)
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
            except (BadInput, UnknownName) as error:  # nothing that another backend would mend
                return error
            except LanesError as error:
                reasons.append(str(error))
        told = "; ".join(dict.fromkeys(reasons))
        return MissingDependency(f"no backend can be loaded: {told}")


def seconds(backend: Backend, size: Size) -> float:
    """Seconds an image of `size`, with as many in flight as the backend takes."""
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
    except (ValueError, TypeError):  # of another version of lanes
        return None


def candidates(name: str, precision: str, int8: bool) -> Iterator[tuple[str, str]]:
    """What the backend `name` ("auto": any) may be at `precision`, as pairs of both.

    `int8` is whether the model has a network in int8, and its card says what that costs.
    """
    for one in _names() if name == "auto" else [name]:
        yield one, precision
        if int8 and precision == "auto" and one == QUANTISED:
            yield one, INT8


def _names() -> list[str]:
    known = plugins.names("backends")
    return [name for name in CANDIDATES if name in known]


def _engines() -> Iterator[tuple[str, int]]:
    """Where each engine is installed, and since when: another version comes with new files."""
    for name in _names():
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            with contextlib.suppress(OSError):
                yield spec.origin, os.stat(spec.origin).st_mtime_ns


def _machine() -> tuple[str, str, int | None]:
    """The processor, NVIDIA's driver and the number of cores: a home may be on many machines."""
    processor, driver = platform.processor(), ""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        # Of the first cores, and only what does not change from moment to moment.
        processor = "".join(line for line in islice(file, 30) if line.startswith(PROCESSOR))
    with contextlib.suppress(OSError):
        driver = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    return processor, driver, os.cpu_count()
