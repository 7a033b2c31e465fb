"""The processes of a run under torchrun: which one this is, and what they exchange.

Without torchrun there is one process, and every function returns what it was given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor
from torch import distributed as dist

from lanes.errors import BadConfig
from lanes.metrics.dataset_scores import Scores

Value = TypeVar("Value")


def fabric(precision: Any, unused: bool = False) -> Fabric:
    """Lightning Fabric for one process, or for those that torchrun started.

    `unused`: some parameters have no gradient in some steps.
    """
    if not _started():
        return Fabric(precision=precision, devices=1)
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    strategy = DDPStrategy(process_group_backend=_backend(), find_unused_parameters=unused)
    nodes = int(os.environ["WORLD_SIZE"]) // local
    found = Fabric(precision=precision, devices=local, num_nodes=nodes, strategy=strategy)
    found.launch()
    return found


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _joined() else 1


def number() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if _joined() else 0


def processes() -> int:
    """How many processes torchrun started, also before they have joined."""
    return int(os.environ["WORLD_SIZE"]) if _started() else 1


def is_first() -> bool:
    """Whether this process writes and prints for all."""
    return int(os.environ["RANK"]) == 0 if _started() else True


def share_of(batch: int) -> int:
    """The number of samples of a batch that one process takes; raises `BadConfig`."""
    if batch % count():
        raise BadConfig(f"batch = {batch} for {count()} processes; wanted a multiple of them")
    return batch // count()


def by_first(make: Callable[[], Value]) -> Value:
    """The result of `make` in the first process, in all of them."""
    if not _started():
        return make()
    if not _joined():
        dist.init_process_group(_backend())
    made: list[Any] = [make() if is_first() else None]
    dist.broadcast_object_list(made)
    found: Value = made[0]
    return found


def agreed(value: Value) -> Value:
    """The first process's `value`."""
    return by_first(lambda: value) if count() > 1 else value


def summed(values: Tensor) -> Tensor:
    """The sum of `values` over all processes; without gradient."""
    if count() > 1:
        values = values.detach().clone()
        dist.all_reduce(values)
    return values


def pooled(scores: Scores) -> Scores:
    """The counts of all processes together."""
    if count() == 1:
        return scores
    parts: list[Any] = [None] * count()
    dist.all_gather_object(parts, (scores.matrices, scores.counts))
    found = Scores(scores.dataset)
    for matrices, counts in parts:
        found.matrices += matrices
        for name, listed in counts.items():
            found.counts.setdefault(name, []).extend(listed)
    return found


def _started() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched()


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def _backend() -> str:
    return "nccl" if torch.cuda.is_available() else "gloo"
