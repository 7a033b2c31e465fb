"""Endless batches of a run, from any step on; each depends only on the seed and its step."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

import cv2
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from lanes.errors import LanesError
from lanes.training import mix, ranks
from lanes.training.augment import Augment
from lanes.training.config import TrainConfig
from lanes.training.mix import Tensors
from lanes.types import Dataset, Size


def batches(
    datasets: Mapping[str, Dataset],
    config: TrainConfig,
    fabric: Fabric,
    step: int,
    size_at: Callable[[int], Size],
) -> Generator[Tensors, None, None]:
    """The parts of all batches from `step` on: `config.accumulate` parts make one batch.

    `size_at` is the size of the pictures at a step. Under torchrun each process gets its share.

    Raises:
        LanesError: a sample cannot be read; the error of the data set, also from a worker.
    """
    samples, weights = mix.mixed(datasets, config.weights, Augment(config))
    place = mix.Place(config.batch, ranks.number(), ranks.count())
    sizes = _sizes(config, size_at) if config.sizes else None
    loader: DataLoader[Any] = DataLoader(
        mix.Drawn(samples, config.seed),
        ranks.share_of(config.batch) // config.accumulate,
        sampler=mix.Draws(weights, config.seed, step * config.batch, sizes, place),
        num_workers=config.workers,
        drop_last=True,
        collate_fn=mix.together,
        # Prefetching 4 batches hides slow pictures; cv2's threads would compete with torch's.
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=_begin_worker,
    )
    for batch in fabric.setup_dataloaders(loader, use_distributed_sampler=False):
        if isinstance(batch, LanesError):
            raise batch
        yield cast(Tensors, batch)


def _sizes(config: TrainConfig, size_at: Callable[[int], Size]) -> Callable[[int], Size]:
    """The size of a draw: fixed for a whole batch, although time passes while it is drawn."""
    fixed = (-1, config.size)

    def size_of(number: int) -> Size:
        nonlocal fixed
        step = number // config.batch
        if step != fixed[0]:
            fixed = step, size_at(step)
        return fixed[1]

    return size_of


def _begin_worker(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    # A terminal sends Ctrl-C to the workers too; the run ends them once it has saved.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
