"""The training loop, on Lightning Fabric; read it from top to bottom.

Shapes: images uint8 (N, H, W, 3), targets uint8 (N, H, W), soft uint8 (N, C, H, W),
logits (N, C, H, W).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric, seed_everything
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import DataLoader

from lanes import assets
from lanes import card as cards
from lanes.errors import BadConfig, BadInput, BadOutput
from lanes.images.resize import network_input
from lanes.metrics.dataset_scores import score
from lanes.metrics.figures import Figure, choice, headlines
from lanes.models._network import Network
from lanes.training import checkpoint as checkpoints
from lanes.training import distil, from_onnx, mix
from lanes.training.augment import Augment
from lanes.training.averaging import Averaged
from lanes.training.checkpoint import Checkpoint
from lanes.training.config import TrainConfig
from lanes.training.labelling import labeller
from lanes.training.log import Log
from lanes.training.losses import distillation, partial_cross_entropy
from lanes.training.memory import keep_freed_memory
from lanes.types import Size

SAVE_SECONDS = 180
LOG_STEPS = 20
HOPELESS = 50
"""The run stops after this many consecutive steps without a finite loss."""
INIT_IMAGES = 16
"""The number of the run's images that an exported model is unfolded on."""
BEST, LAST = "best.pt", "last.pt"


@dataclass(frozen=True)
class Budget:
    """How long to train, including validation: a number of steps or of minutes."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise BadConfig("give either --steps or --minutes")
        if (self.steps if self.steps is not None else self.minutes or 0) <= 0:
            raise BadConfig(f"got --steps {self.steps}, --minutes {self.minutes}; wanted above 0")

    def spent(self, step: int, seconds: float) -> float:
        """The share of the budget that a run has used, 0..1 and beyond."""
        return step / self.steps if self.steps else seconds / 60 / (self.minutes or 1)


def train(
    config: TrainConfig,
    data: Mapping[str, str],
    budget: Budget,
    folder: Path,
    resume: bool = False,
    init: Path | None = None,
) -> Checkpoint:
    """Train on `data` (data set name -> root) into `folder`: best.pt, last.pt, log.csv.

    `resume` continues the run in `folder`, or starts one if there is none. With a budget in steps,
    in fp32 and on the same machine, the weights are bit-identical to those of an uninterrupted run.
    The number of steps cannot change, because the learning rate depends on it; minutes can. `init`
    is what a new run starts from: a checkpoint (.pt), an included model's name or a model folder.

    Returns the best checkpoint, by `figures.choice` on the "choose" splits, or the last one
    if the configuration sets `keep_last`.

    Raises:
        BadConfig: the configuration does not fit the data sets, the resumed run, or `init`.
        BadDataset: images or labels are missing or contradict each other.
        BadOutput: `folder` holds a run and `resume` is False.
        BadInput: the loss does not become finite.
    """
    saved = None
    if (folder / LAST).exists() or (folder / BEST).exists():
        if not resume:
            raise BadOutput(
                f"{folder} holds a run: continue it with --resume, or name another folder"
            )
        # A run that ended before its first last.pt starts over.
        saved = checkpoints.load(folder / LAST) if (folder / LAST).exists() else None
    seed_everything(config.seed, verbose=False)
    keep_freed_memory()
    run = Run(config, dict(data), budget, folder, Fabric(precision=_precision(config), devices=1))
    if saved is not None:
        run.restore(saved)
    elif init is not None and init.suffix == ".pt":
        run.begin_with(checkpoints.load(init))
    elif init is not None:
        run.begin_with_model(assets.model_folder(str(init)))
    run.loop()
    return checkpoints.load(folder / BEST)


class Run:
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
        classes = self.table.shape[1]
        weights = torch.tensor(config.class_weights or (1.0,) * classes, dtype=torch.float32)
        if len(weights) != classes:
            raise BadConfig(f"class_weights has {len(weights)} numbers, wanted {classes}")
        self.class_weights = weights.to(fabric.device)
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
        self.before: list[str] = []
        self.skipped_in_a_row = 0
        self.metrics: dict[str, float] = {}
        self.best = -math.inf

    @property
    def network(self) -> Network:
        """The network in training, without Fabric's wrapper."""
        return cast(Network, self.model.module)

    def restore(self, saved: Checkpoint) -> None:
        """Continue from `saved`, with its number of steps."""
        if saved.config != self.config or saved.data != self.data:
            raise BadConfig(
                "--resume: the configuration or the data differ from the run's: use the originals"
            )
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
        self.best, self.metrics = saved.run["best"], saved.metrics
        self.before = saved.run.get("before", [])
        if math.isnan(self.best):
            self.best = -math.inf

    def begin_with(self, other: Checkpoint) -> None:
        """Start from the averaged weights of `other`; the card will also list its data sets."""
        theirs, ours = ((c.model, c.model_options) for c in (other.config, self.config))
        if theirs != ours:
            raise BadConfig(f"--init: the checkpoint is a {theirs}, the configuration wants {ours}")
        checkpoints.fill(self.network, other)
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
        self.before = [use.name for use in cards.read(folder).data]

    def loop(self) -> None:
        """Run all remaining steps, with validation and checkpoints in between."""
        if self.spent >= 1:
            return
        began = saved = time.monotonic()
        before = self.seconds
        log = Log(self.folder, self.step)
        with closing(log), _progress() as bar, closing(self.batches()) as batches:
            task = bar.add_task("training", total=1.0, note="")
            for batch in batches:
                loss = self.train_step(batch)
                self.seconds = before + time.monotonic() - began
                note = f"step {self.step}, loss {loss:.3f}"
                bar.update(task, completed=self.spent, note=note)
                last = self.spent >= 1
                if last:
                    self.budget = Budget(self.step)  # a finished run records its steps
                if last or self.step % LOG_STEPS == 0:
                    rate = self.optimizer.param_groups[0]["lr"]
                    log.write({"loss": loss, "learning rate": rate}, self.step)
                if last or self.step % self.config.validate_every == 0:
                    bar.console.print(self.validate(log), f"loss {loss:.3f}", highlight=False)
                    self.seconds = before + time.monotonic() - began
                if last or time.monotonic() - saved > SAVE_SECONDS:
                    self.save(LAST)
                    saved = time.monotonic()
                if last:
                    break

    @property
    def spent(self) -> float:
        """The used share of the budget, 0..1 and beyond."""
        return self.budget.spent(self.step, self.seconds)

    def batches(self) -> Generator[dict[str, Tensor], None, None]:
        """Endless batches from the next step on; each depends only on the seed and its step."""
        samples, draws = mix.mixed(self.datasets, self.config.weights, Augment(self.config))
        size = self.config.size

        def size_of(number: int) -> Size:
            # Fix the size for a whole batch, although time passes while it is drawn.
            nonlocal size
            if number % self.config.batch == 0:
                step = number // self.config.batch
                size = self.config.size_at(self.budget.spent(step, self.seconds))
            return size

        loader: DataLoader[Any] = DataLoader(
            mix.Drawn(samples, self.config.seed),
            self.config.batch,
            sampler=mix.Draws(
                draws,
                self.config.seed,
                self.step * self.config.batch,
                size_of if self.config.sizes else None,
            ),
            num_workers=self.config.workers,
            drop_last=True,
            collate_fn=mix.together,
            # Prefetching 4 batches hides slow pictures; cv2's threads would compete with torch's.
            prefetch_factor=4 if self.config.workers else None,
            worker_init_fn=_one_thread,
        )
        for batch in self.fabric.setup_dataloaders(loader):
            yield cast(dict[str, Tensor], batch)

    def train_step(self, batch: dict[str, Tensor]) -> float:
        """One optimiser step; steps with a non-finite loss or gradient are skipped and counted."""
        self.model.train()
        # Seeding dropout by step means that resuming needs no generator state.
        torch.manual_seed(mix.seed_of(self.config.seed, "step", self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate() * group["scale"]
        # The forward pass updates batch normalisation's means: a skipped step must restore them.
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        loss = self.loss(batch)
        self.fabric.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        if torch.isfinite(norm) and torch.isfinite(loss):
            self.optimizer.step()
            self.average.update(self.network)
            self.skipped_in_a_row = 0
        else:
            self.skip(buffers)
        self.optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The truth's term, plus the teacher's if a sample of the batch has one."""
        log_p = torch.log_softmax(self.model(batch["images"]).float(), 1)
        loss = partial_cross_entropy(log_p, batch["targets"].int(), self.table, self.class_weights)
        if "soft" not in batch:
            return loss
        return loss + self.config.soft_weight * distillation(log_p, batch["soft"])

    def skip(self, buffers: list[Tensor]) -> None:
        """Count a step without a finite loss and restore the buffers; raises after `HOPELESS`."""
        with torch.no_grad():
            for buffer, kept in zip(self.network.buffers(), buffers, strict=True):
                buffer.copy_(kept)
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= HOPELESS:
            raise BadInput(
                f"no finite loss in {HOPELESS} steps in a row (step {self.step}): lower "
                'learning_rate, or set precision = "32-true" in the configuration'
            )

    def rate(self) -> float:
        """The learning rate of the next step: linear warm-up times a cosine that ends at zero."""
        # In a run shorter than twice the warm-up, the rate rises over the first half.
        rise = max((self.step + 1) / max(self.config.warmup_steps, 1), 2 * self.spent)
        fall = 0.5 * (1 + math.cos(math.pi * min(self.spent, 1.0)))
        return self.config.learning_rate * min(rise, 1.0) * fall

    def validate(self, log: Log) -> str:
        """Score the averaged weights on the choosing splits, keep the best; returns a summary."""
        label = labeller(self.average.network, self.config, self.fabric)
        figures: list[Figure] = []
        for name, dataset in self.choosing.items():
            figures += score(dataset, label).figures(name)
        self.metrics = {figure.full_name: figure.value for figure in figures}
        log.write(self.metrics, self.step)
        chosen = choice(figures)
        # `best` is never NaN, because no later figure could exceed NaN.
        if chosen > self.best or self.config.keep_last or not (self.folder / BEST).exists():
            self.best = chosen
            self.save(BEST)
        scores = ", ".join(f"{f.full_name} {_in_words(f.value)}" for f in headlines(figures))
        note = f"step {self.step}, {self.spent:.0%}, {self.seconds / 60:.1f} min: {scores};"
        return note + (f" {self.skipped} steps skipped;" if self.skipped else "")

    def save(self, name: str) -> None:
        """Write the run's state as `name` into its folder."""
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
                "precision": _precision(self.config),
                "before": self.before,
            },
        ).save(self.folder / name)


def _precision(config: TrainConfig) -> Any:
    if config.precision != "auto":
        return config.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "32-true"


def _in_words(figure: float) -> str:
    """A figure; NaN, where neither truth nor prediction has a pixel, in words."""
    return "has nothing to score" if math.isnan(figure) else f"{figure:.3f}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
