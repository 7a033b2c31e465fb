"""Times a process from its start to the first labelled image: the wait that a user sees."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lanes.benchmark.plan import Configuration
from lanes.errors import BackendError
from lanes.system.fresh_process import PATIENCE

ROUNDS = 5
CODE = """
import sys
import numpy as np
import lanes
model, backend, precision, device, threads = sys.argv[1:]
image = np.zeros((720, 1280, 3), np.uint8)
options = {"device": device} if device else {}
options |= {"threads": int(threads)} if threads else {}
lanes.load(model, backend, precision, **options)(image)
"""


@dataclass(frozen=True)
class Start:
    """Seconds for a whole process: the first (`cold`), and the median of `ROUNDS` later ones.

    Cold means that our cache is empty; the operating system may still have the files cached.
    """

    cold: float
    warm: float


def starts(
    configurations: Sequence[Configuration],
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[Configuration, Start], dict[Configuration, str]]:
    """Time the start of each configuration, in turns; returns times, and why others failed.

    Calls `progress(done)` after each of the `len(configurations) * (ROUNDS + 1)` processes.
    """
    times: dict[Configuration, list[float]] = {one: [] for one in configurations}
    failed: dict[Configuration, str] = {}
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS + 1):
            for number, one in enumerate(configurations):
                if one in times:
                    try:
                        times[one].append(start_once(one, Path(folder, str(number))))
                    except BackendError as error:
                        failed[one] = str(error)
                        del times[one]
                progress(done := done + 1)
    found = {one: Start(first, statistics.median(rest)) for one, (first, *rest) in times.items()}
    return found, failed


def start_once(one: Configuration, cache: Path) -> float:
    """Seconds that a process takes to label one 1280x720 image, with its cache in `cache`."""
    words = (one.model, one.backend, one.precision, one.device or "", str(one.threads or ""))
    began = time.perf_counter()
    try:
        subprocess.run(
            [sys.executable, "-c", CODE, *words],
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"code {error.returncode}"])[-1]
        raise BackendError(f"{one} does not start in its own process: {reason}") from error
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{one} labelled nothing within {PATIENCE:.0f} s") from error
    return time.perf_counter() - began
