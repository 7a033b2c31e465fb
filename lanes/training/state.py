"""What a run consists of between two steps: what its checkpoints hold, and what it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric

from lanes import card as cards
from lanes import tasks
from lanes.errors import BadConfig
from lanes.images.resize import network_input
from lanes.models._network import Network
from lanes.training import checkpoint as checkpoints
from lanes.training import distil, from_onnx, mix, ranks
from lanes.training.averaging import Averaged
from lanes.training.budget import Budget
from lanes.training.checkpoint import Checkpoint
from lanes.training.config import TrainConfig

INIT_IMAGES = 16
"""The number of the run's images that an exported model is unfolded on."""


class State:
    """The state of one training run."""

    def __init__(
        self,
        config: TrainConfig,
        data: dict[str, str],
        budget: Budget,
        folder: Path,
        fabric: Fabric,
    ) -> None:
        self.config, self.data, self.folder, self.fabric = config, data, folder, fabric
        self.budget = budget
        self.datasets = mix.open_all(data, config.train_split, config.task, config.teachers)
        if config.distilled:
            self.datasets = distil.taught(self.datasets, Path(config.distilled).expanduser())
        self.choosing = mix.open_all(data, "choose", config.task)
        self.table = torch.from_numpy(mix.table_of(self.datasets)).to(fabric.device)
        self.class_weights = _class_weights(config, self.table.shape[1]).to(fabric.device)
        network = checkpoints.build(config)
        if config.pretrained:
            network.load_pretrained()
        network = network.to(memory_format=torch.channels_last)
        self.average = Averaged(network, config.ema_decay).to(fabric.device)
        optimizer = torch.optim.AdamW(
            network.parameter_groups(config.encoder_rate),
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.model, self.optimizer = fabric.setup(network, optimizer)
        self.step, self.skipped, self.seconds = 0, 0, 0.0
        self.before: list[Any] = []
        self.skipped_in_a_row = 0
        self.metrics: dict[str, float] = {}
        self.best = -math.inf
        self.without_gain = 0
        """Validations since the best one."""

    @property
    def network(self) -> Network:
        """The network in training, without Fabric's wrapper."""
        return cast(Network, self.model.module)

    @property
    def spent(self) -> float:
        """The used share of the budget, 0..1 and beyond."""
        return self.budget.spent(self.step, self.seconds)

    def restore(self, saved: Checkpoint) -> None:
        """Continue from `saved`, with its number of steps; the data may have moved.

        Raises:
            BadConfig: the configuration, the data or the number of steps differ from those saved.
        """
        self._check_same(saved)
        if saved.steps:
            if self.budget.steps not in (None, saved.steps):
                raise BadConfig(
                    f"--resume: the run has {saved.steps} steps, --steps says {self.budget.steps}: "
                    "leave out --steps, because the learning rate depends on it"
                )
            self.budget = Budget(saved.steps)
        self.network.load_state_dict(saved.network)
        self.optimizer.load_state_dict(saved.optimizer)
        self.step = saved.step
        self.skipped, self.seconds = saved.run["skipped"], saved.run["seconds"]
        self.average.restore(saved.ema, updates=saved.step - self.skipped)
        self.skipped_in_a_row = saved.run.get("skipped in a row", 0)
        self.without_gain = saved.run.get("without gain", 0)
        self.best, self.metrics = saved.run["best"], saved.metrics
        self.before = saved.run.get("before", [])
        if math.isnan(self.best):
            self.best = -math.inf

    def _check_same(self, saved: Checkpoint) -> None:
        if saved.config != self.config or saved.data.keys() != self.data.keys():
            raise BadConfig(
                "--resume: the configuration or the data differ from the run's: use the originals"
            )
        before = saved.run.get("images", self.images)
        if before != self.images:
            raise BadConfig(
                f"--resume: the run has {_listed(before)} images to learn from, the data now "
                f"{_listed(self.images)}: use the original data, or start another run"
            )

    @property
    def images(self) -> dict[str, int]:
        """The number of images to learn from, by data set."""
        return {name: len(dataset) for name, dataset in self.datasets.items()}

    def begin_with(self, other: Checkpoint) -> None:
        """Start from the averaged weights of `other`; the card will also list its data sets.

        Classes are matched by name.
        """
        theirs, ours = ((c.model, c.model_options) for c in (other.config, self.config))
        if theirs != ours:
            raise BadConfig(f"--init: the checkpoint is a {theirs}, the configuration wants {ours}")
        classes = tasks.load(other.config.task).class_names
        from_onnx.copy_matching(self.network, self.config, other.ema, classes)
        self.before = checkpoints.learned_from(other)

    def begin_with_model(self, folder: Path) -> None:
        """Start from the exported model in `folder`; the card will also list its data sets."""
        count = max(INIT_IMAGES // len(self.datasets), 1)
        images = [
            network_input(dataset[index].image, self.config.resize)
            for dataset in self.datasets.values()
            for index in range(0, len(dataset), max(len(dataset) // count, 1))
        ]
        from_onnx.fill(self.network, self.config, folder, np.stack(images))
        self.before = [asdict(use) for use in cards.read(folder).data]

    def save(self, name: str) -> None:
        """Write the run's state as `name` into its folder; raises `BadOutput`."""
        if not ranks.is_first():
            return
        Checkpoint(
            config=self.config,
            data=self.data,
            step=self.step,
            steps=self.budget.steps or 0,
            network=self.network.state_dict(),
            ema=self.average.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            metrics=self.metrics,
            run={
                "skipped": self.skipped,
                "skipped in a row": self.skipped_in_a_row,
                "seconds": self.seconds,
                "best": self.best,
                "without gain": self.without_gain,
                "precision": precision_of(self.config),
                "before": self.before,
                "images": self.images,
            },
        ).save(self.folder / name)


def precision_of(config: TrainConfig) -> Any:
    """The precision of a run on this machine, as Fabric names it."""
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def _class_weights(config: TrainConfig, classes: int) -> torch.Tensor:
    weights = torch.tensor(config.class_weights or (1.0,) * classes, dtype=torch.float32)
    if len(weights) != classes:
        raise BadConfig(f"class_weights has {len(weights)} numbers, wanted {classes}")
    return weights


def _listed(images: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in images.items())
