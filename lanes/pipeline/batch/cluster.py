"""Workers on a Ray cluster (https://docs.ray.io/en/latest/ray-core/actors.html).

Each is an actor with a loaded model; docs/scale.md says what was run. On one machine Ray is not
used: its servers take seconds to start and listen on all network interfaces.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lanes.errors import BackendError, BadInput, LanesError
from lanes.pipeline.batch.job import Job, Labeller, Recipe
from lanes.pipeline.batch.manifest import Row
from lanes.plugins import missing

CONNECT = "auto"
"""The address of the cluster that this machine is part of."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected to the cluster at `address`: "auto" or "ray://HOST:10001".

    Raises:
        BadInput: no cluster answers there, or it runs another version of Ray or Python.
        MissingDependency: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise missing("lanes batch --address", "ray") from error
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except Exception as error:  # ConnectionError, RuntimeError, and others of its client
        reason = " ".join(str(error).split())
        raise BadInput(
            f"no Ray cluster at {address!r} ({reason}): start one with ray start --head, or leave "
            "--address out to use this machine"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def places(ray: Any, threads: int, gpus: float) -> int:
    """How many workers fit on the cluster as it is.

    Raises:
        BadInput: none fits.
    """
    held = ray.cluster_resources()
    cpus, cards = held.get("CPU", 0), held.get("GPU", 0)
    fits = int(min([cpus // threads] + ([cards // gpus] if gpus else [])))
    if not fits:
        raise BadInput(
            f"the cluster has {cpus:g} CPUs and {cards:g} GPUs, a worker takes {threads} and "
            f"{gpus:g}; give --threads or --gpus-per-worker, or --workers if it grows by itself"
        )
    return fits


class RayWorker:
    """An actor with a loaded model; made as soon as the cluster has room for it.

    It takes `threads` CPUs and `gpus` GPUs of the cluster.

    Raises:
        LanesError: the model cannot be loaded.
    """

    def __init__(self, ray: Any, recipe: Recipe, threads: int, gpus: float) -> None:
        self._ray = ray
        actor = ray.remote(Labeller).options(num_cpus=threads, num_gpus=gpus, max_restarts=0)
        self._actor = actor.remote(recipe, threads)
        self._answer(self._actor.start.remote)

    def do(self, job: Job) -> Row:
        """See `lanes.pipeline.batch.pool.Worker`."""
        row: Row = self._answer(lambda: self._actor.do.remote(job))
        return row

    def _answer(self, call: Callable[[], Any]) -> Any:
        try:
            return self._ray.get(call())
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, LanesError):
                raise error.cause from error
            raise BackendError(f"{type(error.cause).__name__}: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise BackendError(str(error).split("\n")[0]) from error

    def close(self) -> None:
        """See `lanes.pipeline.batch.pool.Worker`."""
        self._ray.kill(self._actor)
