"""The training loop, on Lightning Fabric; read it from top to bottom.

Shapes: images uint8 (N, H, W, 3), targets uint8 (N, H, W), soft uint8 (N, C, H, W),
logits (N, C, H, W).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import seed_everything
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from lanes import assets
from lanes.errors import BadInput, BadOutput
from lanes.metrics.dataset_scores import score
from lanes.metrics.figures import Figure, Kind, choice, headlines, of_log
from lanes.system.ending import finishing
from lanes.training import checkpoint as checkpoints
from lanes.training import mix, ranks
from lanes.training.batches import batches
from lanes.training.budget import Budget, learning_rate
from lanes.training.checkpoint import Checkpoint
from lanes.training.config import TrainConfig
from lanes.training.faults import in_words
from lanes.training.labelling import labeller
from lanes.training.log import Log
from lanes.training.losses import distillation, partial_cross_entropy, spoken, weight_of
from lanes.training.memory import keep_freed_memory
from lanes.training.mix import Tensors
from lanes.training.state import State, precision_of

SAVE_SECONDS = 20
"""A run that is killed loses at most this many seconds, and a step."""
STOP_SECONDS = 120
"""A signal ends the process after this time, if a step or a validation takes longer."""
LOG_STEPS = 20
HOPELESS = 50
"""The run stops after this many consecutive steps without a finite loss."""
BEST, LAST = "best.pt", "last.pt"


class Stopped(KeyboardInterrupt):
    """The run was asked to end by the signal `number`, and has saved its `step`."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step, self.number = step, number


def train(
    config: TrainConfig,
    data: Mapping[str, str],
    budget: Budget,
    folder: Path,
    resume: bool = False,
    init: Path | None = None,
) -> Checkpoint:
    """Train on `data` (data set name -> root) into `folder`: best.pt, last.pt, log.csv.

    `resume` continues the run in `folder`, or starts one if there is none. With a budget in steps
    and on the same machine, the weights are bit-identical to those of an uninterrupted run.
    The number of steps cannot change, because the learning rate depends on it; minutes can. `init`
    is what a new run starts from: a checkpoint (.pt), an included model's name or a model folder.

    Returns the best checkpoint, by `figures.choice` on the "choose" splits, or the last one
    if the configuration sets `keep_last`.

    Raises:
        BadConfig: the configuration does not fit the data sets, the resumed run, or `init`.
        BadDataset: images or labels are missing or contradict each other.
        BadOutput: `folder` holds a run and `resume` is False, or the disk is full.
        BadInput: the loss does not become finite, or memory runs out.
        Stopped: a signal (Ctrl-C, SIGTERM) asked for an end; the run is saved.
    """
    saved = _saved(folder, resume)
    seed_everything(config.seed, verbose=False)
    keep_freed_memory()
    with in_words(config):
        fabric = ranks.fabric(precision_of(config), unused=config.freeze > 0)
        run = Run(config, dict(data), budget, folder, fabric)
        if saved is not None:
            run.restore(saved)
        elif init is not None and init.suffix == ".pt":
            run.begin_with(checkpoints.load(init))
        elif init is not None:
            run.begin_with_model(assets.model_folder(str(init)))
        run.loop()
        ranks.agreed(True)  # wait until the first process has written
    return replace(checkpoints.load(folder / BEST), data=dict(data))


def _saved(folder: Path, resume: bool) -> Checkpoint | None:
    """The last checkpoint of the run in `folder`; None if there is none."""
    if not resume and ((folder / LAST).exists() or (folder / BEST).exists()):
        raise BadOutput(f"{folder} holds a run: continue it with --resume, or name another folder")
    # A run that ended before its first last.pt starts over.
    return checkpoints.load(folder / LAST) if (folder / LAST).exists() else None


class Run(State):
    """A training run that goes on."""

    def loop(self) -> None:
        """Run all remaining steps, with validation and checkpoints in between."""
        if self.spent >= 1:
            return
        began = saved = time.monotonic()
        before = self.seconds
        with ExitStack() as stack:
            ending = stack.enter_context(finishing(STOP_SECONDS))
            log = stack.enter_context(closing(Log(self.folder, self.step, ranks.is_first())))
            show = stack.enter_context(_progress())
            for parts in stack.enter_context(closing(self.batches())):
                loss = self.train_step(*parts)
                self.seconds = ranks.agreed(before + time.monotonic() - began)
                last = self.spent >= 1
                if last or self.step % LOG_STEPS == 0:
                    rate = self.optimizer.param_groups[0]["lr"]
                    log.write({"loss": loss, "learning rate": rate}, self.step)
                if last or self.step % self.config.validate_every == 0:
                    note = self.validate(log)
                    self.seconds = ranks.agreed(before + time.monotonic() - began)
                    show.print(f"{note} loss {loss:.3f}")
                show(self.spent, self.status(loss))
                last = last or self.gave_up
                if last:
                    self.budget = Budget(self.step)  # a finished run records its steps
                asked = ranks.agreed(ending.number)
                if last or asked or time.monotonic() - saved > SAVE_SECONDS:
                    self.save(LAST)
                    saved = time.monotonic()
                if last:
                    return
                if asked:
                    raise Stopped(self.step, asked)

    @property
    def gave_up(self) -> bool:
        """Whether no validation has been better for the configured patience."""
        return 0 < self.config.patience <= self.without_gain

    def status(self, loss: float) -> str:
        """The run's state for the progress bar."""
        areas = [f.value for f in self.figures if f.kind is Kind.IOU and math.isfinite(f.value)]
        iou = f", IoU {np.mean(areas):.3f}" if areas else ""
        best = f", best score {self.best:.3f}" if math.isfinite(self.best) else ""
        return f"step {self.step}, loss {loss:.3f}{iou}{best}"

    @property
    def figures(self) -> list[Figure]:
        """The figures of the last validation."""
        values = self.metrics.items()
        return [replace(f, value=v) for k, v in values for f in of_log([k])]

    def batches(self) -> Generator[Sequence[Tensors], None, None]:
        """Endless batches from the next step on, each cut into `config.accumulate` parts."""
        endless = batches(self.datasets, self.config, self.fabric, self.step, self._size_at)
        with closing(endless):
            while parts := tuple(islice(endless, self.config.accumulate)):
                yield parts

    def _size_at(self, step: int) -> tuple[int, int]:
        return self.config.size_at(self.budget.spent(step, self.seconds))

    def train_step(self, *parts: Tensors) -> float:
        """One optimiser step; steps with a non-finite loss or gradient are skipped and counted.

        `parts` make one batch. Returns its loss, under torchrun that of all processes' batches.
        """
        self.prepare()
        # The forward pass updates batch normalisation's means: a skipped step must restore them.
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        totals = self.totals(parts)
        losses = []
        for number, part in enumerate(parts, 1):
            with self.fabric.no_backward_sync(self.model, enabled=number < len(parts)):
                loss = self.loss(part, totals)
                # Distributed training averages the gradients of the processes; this adds them.
                self.fabric.backward(loss * ranks.count())
            losses.append(loss.detach())
        loss = ranks.summed(torch.stack(losses).sum())
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        if torch.isfinite(norm) and torch.isfinite(loss):
            self.optimizer.step()
            self.average.update(self.network)
            self.skipped_in_a_row = 0
        else:
            self.skip(buffers)
        self.optimizer.zero_grad()
        self.step += 1
        return float(loss)

    def prepare(self) -> None:
        """Set the modes, seeds and rates of the next step."""
        config, frozen = self.config, self.spent < self.config.freeze
        self.model.train()
        if config.freeze_norms:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        if config.freeze:
            self.network.encoder.requires_grad_(not frozen)
            self.network.encoder.train(not frozen and self.model.training)
        # Seeding dropout by step means that resuming needs no generator state.
        place = self.step * ranks.count() + ranks.number()
        torch.manual_seed(mix.seed_of(config.seed, "step", place))
        rate = learning_rate(config, self.step, self.spent)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]

    def totals(self, parts: Sequence[Tensors]) -> tuple[Tensor, Tensor]:
        """What the two terms of the loss are divided by: the sums over the whole batch."""
        weights = [weight_of(p["targets"].int(), self.table, self.class_weights) for p in parts]
        spoke = [spoken(p["soft"]) if "soft" in p else torch.zeros_like(weights[0]) for p in parts]
        sums = ranks.summed(torch.stack([torch.stack(weights).sum(), torch.stack(spoke).sum()]))
        return sums[0], sums[1]

    def loss(self, part: Tensors, totals: tuple[Tensor, Tensor]) -> Tensor:
        """The truth's term, plus the teacher's if a sample of the part has one."""
        log_p = torch.log_softmax(self.model(part["images"]).float(), 1)
        targets = part["targets"].int()
        loss = partial_cross_entropy(log_p, targets, self.table, self.class_weights, totals[0])
        if "soft" not in part:
            return loss
        return loss + self.config.soft_weight * distillation(log_p, part["soft"], totals[1])

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

    def validate(self, log: Log) -> str:
        """Score the averaged weights on the choosing splits, keep the best; returns a summary."""
        if ranks.count() > 1:  # each process has its own statistics of batch normalisation
            averaged = ranks.agreed(self.average.network.state_dict())
            self.average.network.load_state_dict(averaged)
        label = labeller(self.average.network, self.config, self.fabric)
        figures: list[Figure] = []
        for name, dataset in self.choosing.items():
            chosen = mix.spread(dataset, self.config.choose_images)
            mine = chosen[ranks.number() :: ranks.count()]
            figures += ranks.pooled(score(dataset, label, mine)).figures(name)
        self.metrics = {figure.full_name: figure.value for figure in figures}
        log.write(self.metrics, self.step)
        score_now = choice(figures)
        # `best` is never NaN, because no later figure could exceed NaN.
        self.without_gain += 1
        if score_now > self.best or self.config.keep_last or not (self.folder / BEST).exists():
            self.best, self.without_gain = score_now, 0
            self.save(BEST)
        scores = ", ".join(f"{f.full_name} {_in_words(f.value)}" for f in headlines(figures))
        note = f"step {self.step}, {self.spent:.0%}, {self.seconds / 60:.1f} min: {scores};"
        return note + (f" {self.skipped} steps skipped;" if self.skipped else "")


def _in_words(figure: float) -> str:
    """A figure; NaN, where neither truth nor prediction has a pixel, in words."""
    return "has nothing to score" if math.isnan(figure) else f"{figure:.3f}"


class _Bar:
    """Shows the used share of the budget with a note; prints lines above it."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("training", total=1.0, note="")

    def __call__(self, spent: float, note: str) -> None:
        self.bar.update(self.task, completed=spent, note=note)

    def print(self, line: str) -> None:
        self.bar.console.print(line, highlight=False, markup=False)


@contextmanager
def _progress() -> Iterator[_Bar]:
    """The progress bar of the first process."""
    columns = TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn()
    note = TextColumn("{task.fields[note]}", markup=False)
    with Progress(*columns, TimeRemainingColumn(), note, disable=not ranks.is_first()) as bar:
        yield _Bar(bar)
