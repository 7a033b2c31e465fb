"""A picture of a run's first batch, as the network will see it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from lanes import tasks
from lanes.draw.contact_sheet import overlays
from lanes.training import mix
from lanes.training.batches import batches
from lanes.training.config import TrainConfig
from lanes.training.mix import Tensors
from lanes.types import Image, Measure, Sample


class _Batch:
    """The samples of a batch; see `lanes.types.Dataset`."""

    MEASURES: Mapping[str, Measure] = {}

    def __init__(self, batch: Tensors, config: TrainConfig, table: NDArray[np.bool_]) -> None:
        self.batch, self.TASK, self.TARGETS = batch, config.task, table

    def __len__(self) -> int:
        return len(self.batch["images"])

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.batch["images"][index].numpy(), self.batch["targets"][index].numpy())


def first_batch(config: TrainConfig, data: Mapping[str, str]) -> Image:
    """A sheet (BGR) of the first batch: pictures as augmented, with their truth and a legend."""
    datasets = mix.open_all(data, config.train_split, config.task, config.teachers)
    fabric = Fabric(devices=1, accelerator="cpu")
    with closing(batches(datasets, config, fabric, 0, lambda step: config.size_at(0))) as drawn:
        batch = _Batch(next(drawn), config, mix.table_of(datasets))
    chosen = [(f"sample {k}", batch, k) for k in range(len(batch))]
    return overlays(chosen, tasks.load(config.task), "The first batch, as the network sees it")
