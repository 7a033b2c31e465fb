"""Times models and other networks in each backend and precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from lanes import assets
from lanes import card as cards
from lanes.benchmark import network
from lanes.benchmark.checks import OTHER_METHODS, Check, ModelRunner, check_all, pictures_of
from lanes.benchmark.plan import Configuration, Plan
from lanes.benchmark.start import ROUNDS as STARTS
from lanes.benchmark.start import Start, starts
from lanes.benchmark.turns import Job, Runner, Timed, Timing, ratio, take_turns
from lanes.errors import BackendError
from lanes.metrics.figures import Figure
from lanes.system.machine import Machine, machine

EAGER = ("torch", "fp32")
"""The baseline of `times_torch`."""
OWN_FILES = {
    ("openvino", "int8"): cards.INT8_ONNX,
    ("onnxruntime", "int8"): cards.INT8_ONNX,
}
"""Networks other than `model.onnx` in a model folder, by the backend and precision they are for."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""`progress(what, done, total)`."""


@dataclass(frozen=True)
class Figures:
    """All figures of one configuration; `check` is None for networks other than our models.

    `size` is that of the network file in bytes (0: no file); `times_torch` is the speed-up over
    PyTorch in the same run, one image at a time.
    """

    configuration: Configuration
    size: int
    timing: Timing
    check: Check | None = None
    times_torch: float | None = None
    start: Start | None = None

    @property
    def accuracy(self) -> tuple[Figure, ...]:
        """See `Check.accuracy`."""
        return self.check.accuracy if self.check else ()


@dataclass(frozen=True)
class Benchmark:
    """The figures of one run, and why some configurations have none."""

    machine: Machine
    rounds: int
    figures: tuple[Figures, ...]
    failed: dict[str, str]
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        values = asdict(self)
        for one, found in zip(self.figures, values["figures"], strict=True):
            if one.check:
                found["check"]["accuracy"] = {f.full_name: f.value for f in one.accuracy}
        return values


def benchmark_models(
    plan: Plan,
    rounds: int = 10,
    start: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Benchmark:
    """Check, score and time the plan; `start` also times whole processes.

    Raises:
        BackendError: no configuration could be timed.
    """
    facts = machine()  # before our own work adds to the load
    pictures = {
        model: pictures_of(cards.read(assets.model_folder(model)), data)
        for model, data in plan.data.items()
    }
    count = len(plan.configurations)
    checks, failed, left_out = check_all(
        plan, pictures, lambda done: progress("checking", done, count)
    )
    jobs: dict[Configuration, Job] = {
        one: (partial(ModelRunner, one), pictures[one.model].images) for one in checks
    }
    jobs |= {one: _network_job(one) for one in plan.configurations if one.shape is not None}
    count = len(jobs) * (rounds + 1)
    timed, broken = take_turns(jobs, rounds, lambda done: progress("timing", done, count))
    failed |= broken
    if not timed:
        reasons = "; ".join(f"{one}: {why}" for one, why in failed.items())
        raise BackendError(f"nothing could be timed: {reasons or 'nothing is planned'}")
    ours = [one for one in timed if start and one.shape is None]
    count = len(ours) * (STARTS + 1)
    started, broken = starts(ours, lambda done: progress("starting", done, count))
    failed |= broken
    figures = tuple(
        Figures(
            configuration=one,
            size=_size(one),
            timing=found.timing,
            check=checks.get(one),
            times_torch=_times_torch(one, timed),
            start=started.get(one),
        )
        for one, found in timed.items()
    )
    return Benchmark(
        facts,
        rounds,
        figures,
        failed={str(one): why for one, why in failed.items()},
        left_out=plan.left_out | {str(one): why for one, why in left_out.items()},
    )


def _network_job(one: Configuration) -> Job:
    assert one.shape is not None
    path = Path(one.model)
    load: Callable[[str], Runner] = partial(
        network.load, path, one.shape, one.backend, one.precision, one.device, one.threads
    )
    return load, network.inputs_of(path, one.shape)


def _size(one: Configuration) -> int:
    path = Path(one.model)
    if one.backend in OTHER_METHODS:
        return 0
    if one.shape is None:
        name = OWN_FILES.get((one.backend, one.precision), cards.ONNX)
        path = assets.model_folder(one.model) / name
    return path.stat().st_size


def _times_torch(one: Configuration, timed: dict[Configuration, Timed]) -> float | None:
    """Speed-up over PyTorch for the same model and number of threads."""
    backend, precision = EAGER
    eager = timed.get(replace(one, backend=backend, precision=precision))
    return ratio(eager, timed[one]) if eager else None
