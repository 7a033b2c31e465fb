"""The training loop: readable from top to bottom, on Lightning Fabric.

Shapes: images uint8 (N, H, W, 3), targets int64 (N, H, W), soft uint8 (N, H, W), logits (N, C, H, W).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.loggers import CSVLogger, TensorBoardLogger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from lanes.errors import BadConfig, BadOutput
from lanes.models._network import Network
from lanes.resize import Resize, resize_image
from lanes.scores import choice, score
from lanes.training import checkpoint as checkpoints
from lanes.training import mix
from lanes.training.augment import Augment
from lanes.training.checkpoint import Checkpoint
from lanes.training.config import TrainConfig
from lanes.training.losses import partial_cross_entropy, soft_binary_cross_entropy
from lanes.types import Image, LabelMap

SAVE_SECONDS = 180
SPEED_STEPS = (10, 40)
"""`--minutes`: the steps between which the speed is measured."""


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or the minutes from which it is worked out."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise BadConfig("give either --steps or --minutes")


def train(
    config: TrainConfig, data: Mapping[str, str], budget: Budget, folder: Path, resume: bool = False
) -> Checkpoint:
    """Train on `data` (data set name -> root) into `folder`: best.pt, last.pt, logs.

    Returns the best checkpoint, chosen on the "choose" split.

    Raises:
        BadConfig: the configuration does not fit the data sets.
        BadOutput: `folder` holds a run and `resume` is False.
    """
    if (folder / "last.pt").exists() and not resume:
        raise BadOutput(f"{folder} holds a run already: continue it with --resume, or name another")
    seed_everything(config.seed, verbose=False)
    fabric = Fabric(precision=_precision(config), loggers=_loggers(folder), devices=1)
    run = Run(config, dict(data), budget, folder, fabric)
    if resume and (folder / "last.pt").exists():
        run.restore(checkpoints.load(folder / "last.pt"))
    run.loop()
    return checkpoints.load(folder / "best.pt")


class Run:
    """One training run: the state that its steps change."""

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
        self.datasets = mix.open_all(data, "train", config.task)
        self.choosing = mix.open_all(data, "choose", config.task)
        self.table = torch.from_numpy(mix.table_of(self.datasets)).to(fabric.device)
        self.soft_class = mix.soft_class_of(self.datasets)
        classes = self.table.shape[1]
        self.class_weights = torch.tensor(config.class_weights or (1.0,) * classes)
        if len(self.class_weights) != classes:
            raise BadConfig(
                f"class_weights has {len(self.class_weights)} numbers, wanted {classes}"
            )
        self.class_weights = self.class_weights.to(fabric.device)
        network = checkpoints.build(config).to(memory_format=torch.channels_last)
        self.ema = AveragedModel(network, avg_fn=_averaging(config.ema_decay), use_buffers=True)
        self.ema.to(fabric.device)
        optimizer = torch.optim.AdamW(
            network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.step, self.skipped, self.seconds = 0, 0, 0.0
        self.steps = budget.steps
        self.metrics: dict[str, float] = {}
        self.best = -math.inf

    def restore(self, saved: Checkpoint) -> None:
        """Go on from `saved`; its number of steps stands."""
        if saved.config != self.config or saved.data != self.data:
            raise BadConfig("--resume: the configuration or the data differ from the run's own")
        self.network.load_state_dict(saved.network)
        self.ema.module.load_state_dict(saved.ema)
        self.ema.n_averaged.fill_(saved.step)
        self.optimizer.load_state_dict(saved.optimizer)
        self.step, self.steps = saved.step, saved.steps
        self.skipped, self.seconds = saved.run["skipped"], saved.run["seconds"]
        self.best = saved.run["best"]
        self.metrics = saved.metrics

    def loop(self) -> None:
        """All steps that are left, with validation and checkpoints in between."""
        with ExitStack() as stack:
            bar = stack.enter_context(_progress())
            task = bar.add_task("training", total=self.steps, completed=self.step, note="")
            began = saved = time.monotonic()
            before = self.seconds
            for batch in self.batches():
                loss = self.train_step(batch)
                self.seconds = before + time.monotonic() - began
                if self.steps is None:
                    self.fix_steps()
                bar.update(task, completed=self.step, total=self.steps, note=f"loss {loss:.3f}")
                if self.step % 20 == 0:
                    self.fabric.log_dict({"loss": loss, "lr": self.rate()}, self.step)
                last = self.steps is not None and self.step >= self.steps
                if last or self.step % self.config.validate_every == 0:
                    self.validate(loss)
                if last or time.monotonic() - saved > SAVE_SECONDS:
                    self.save("last.pt")
                    saved = time.monotonic()
                if last:
                    break

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """Batches without end; a resumed run draws others than the run it continues."""
        samples, draws = mix.mixed(self.datasets, self.config.weights, Augment(self.config))
        loader: DataLoader[Any] = DataLoader(
            samples,
            self.config.batch,
            sampler=mix.sampler(draws, 1 << 22, self.config.seed + self.step),
            num_workers=self.config.workers,
            drop_last=True,
            # 4 batches ahead ride over a slow picture; threads of cv2 would fight with torch's.
            prefetch_factor=4 if self.config.workers else None,
            worker_init_fn=_one_thread,
        )
        yield from self.fabric.setup_dataloaders(loader)

    def train_step(self, batch: dict[str, Tensor]) -> float:
        """One step of the optimiser; a loss or gradient that is not finite is skipped, counted."""
        config = self.config
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        log_p = torch.log_softmax(self.network(batch["images"]).float(), 1)
        loss = partial_cross_entropy(log_p, batch["targets"], self.table, self.class_weights)
        if self.soft_class is not None:
            loss = loss + config.soft_weight * soft_binary_cross_entropy(
                log_p,
                batch["soft"].float() / 255,
                self.soft_class,
                float(self.class_weights[self.soft_class]),
                config.soft_ignore,
            )
        self.fabric.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        if torch.isfinite(norm) and torch.isfinite(loss):
            self.optimizer.step()
            self.ema.update_parameters(self.network.module)
        else:
            self.skipped += 1
        self.optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())

    def rate(self) -> float:
        """The learning rate of this step: a linear rise, then a cosine to zero."""
        config = self.config
        if self.step < config.warmup_steps or self.steps is None:
            return config.learning_rate * min((self.step + 1) / config.warmup_steps, 1.0)
        done = (self.step - config.warmup_steps) / max(self.steps - config.warmup_steps, 1)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    def fix_steps(self) -> None:
        """From the speed of the first steps, fix how many fit into the minutes."""
        first, last = SPEED_STEPS
        if self.step == first:
            self.speed_from = self.seconds
        if self.step == last and self.budget.minutes is not None:
            each = (self.seconds - self.speed_from) / (last - first)
            left = self.budget.minutes * 60 - self.seconds
            # A validation costs about as much as a forward pass of each of its images.
            images = sum(len(d) for d in self.choosing.values())
            each += images * each / self.config.batch / 2 / self.config.validate_every
            self.steps = max(last + int(left / each), last + 1)
            print(f"{each:.3f} s a step: {self.steps} steps in {self.budget.minutes:g} minutes")

    def validate(self, loss: float) -> None:
        """Score the averaged weights on the choosing splits; keep the best."""
        label = labeller(self.ema.module, self.config, self.fabric)
        figures: dict[str, float] = {}
        for name, dataset in self.choosing.items():
            found = score(dataset, label).figures()
            figures |= {f"{name} {k}": v for k, v in found.items()}
        self.metrics = figures
        self.fabric.log_dict(figures, self.step)
        chosen = choice(figures)
        told = ", ".join(f"{k} {v:.3f}" for k, v in figures.items() if k.endswith(("iou", "f4")))
        note = f"step {self.step}/{self.steps} {self.seconds / 60:.1f} min loss {loss:.3f}: {told}"
        print(note + (f"; skipped {self.skipped}" if self.skipped else ""), flush=True)
        if chosen > self.best or not (self.folder / "best.pt").exists():
            self.best = chosen
            self.save("best.pt")

    def save(self, name: str) -> None:
        """Write the run's state under `name` in its folder."""
        Checkpoint(
            config=self.config,
            data=self.data,
            step=self.step,
            steps=self.steps or 0,
            network=self.network.module.state_dict(),
            ema=self.ema.module.state_dict(),
            optimizer=self.optimizer.state_dict(),
            metrics=self.metrics,
            run={
                "skipped": self.skipped,
                "seconds": self.seconds,
                "best": self.best,
                "precision": _precision(self.config),
            },
        ).save(self.folder / name)


def labeller(network: Network, config: TrainConfig, fabric: Fabric | None = None) -> Any:
    """A function from an image (H, W, 3) of any size to labels at the network's size."""
    resize = Resize(config.size)
    network.eval()

    def label(image: Image) -> LabelMap:
        small = torch.from_numpy(resize_image(image, resize))[None]
        with torch.inference_mode():
            if fabric is None:
                logits = network(small)
            else:
                with fabric.autocast():
                    logits = network(small.to(fabric.device))
        return np.asarray(logits.argmax(1)[0].byte().cpu().numpy())

    return label


def _averaging(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """A running mean whose memory grows up to `decay`: a short run is not weighed down by its start."""

    def mean(kept: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        share = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(new, kept, share) if kept.is_floating_point() else new

    return mean


def _precision(config: TrainConfig) -> Any:
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def _loggers(folder: Path) -> list[Any]:
    return [
        CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=20),
        TensorBoardLogger(folder, name="", version="tensorboard"),
    ]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
