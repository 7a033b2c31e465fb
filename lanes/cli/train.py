"""The command `lanes train`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from lanes import assets
from lanes.cli.guard import guarded
from lanes.cli.options import SkipMissingOption, roots_of
from lanes.errors import BadConfig, BadDataset, BadOutput, ended_by
from lanes.system.atomic import make_folder

if TYPE_CHECKING:
    from lanes.training.budget import Budget
    from lanes.training.checkpoint import Checkpoint
    from lanes.training.config import TrainConfig

RUNS = Path("runs")
PLAN, BATCH = "plan.toml", "batch.png"


@dataclass(frozen=True)
class _Job:
    """What `lanes.training.loop.train` gets."""

    config: TrainConfig
    data: Mapping[str, str]
    budget: Budget
    folder: Path
    resume: bool = False
    init: Path | None = None


def train(
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FORMAT=]ROOT",
            help="A folder of labelled images, its format if detection fails, or the name of a "
            "data set without files, such as synthetic; repeat for more.",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="An included configuration, such as lanes_tiny, or a TOML file; default: planned "
            "from the data and the machine."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Length of the training in optimiser steps.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Length of the training in minutes; default without --config: 10."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; default: runs/<name of the data or config>."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder, if it has one.")
    ] = False,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Start from the weights of a checkpoint (.pt) or of a model, by name; default "
            "without --config: lanes-synthetic."
        ),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Override a value of the file, as TOML; repeatable."
        ),
    ] = None,
    skip_missing: SkipMissingOption = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the plan and write a batch as PNG; train nothing."),
    ] = False,
) -> None:
    """Train a model on one or several data sets; writes best.pt, curves and samples.

    `lanes train --data photos` alone is enough: settings follow from the data, the machine and
    --minutes. The plan is printed and written into the run's folder as TOML.
    """

    def run() -> int:
        # Imported here, because torch takes seconds to import.
        from lanes.training import loop, ranks

        roots = roots_of(data) if data else {}
        place = folder or RUNS / _name(config, roots)
        if resume and config is None and (place / loop.LAST).exists():
            job = _resumed(place, roots)
        elif not roots:
            raise BadConfig("no --data: give at least one folder of labelled images")
        elif config is None:
            job = _planned(place, roots, minutes, steps, init, set or [])
        else:
            job = _configured(place, roots, minutes, steps, init, set or [], config, resume)
        ranks.by_first(lambda: _examine(job.data))
        if dry_run:
            return _show_batch(job)
        try:
            best = loop.train(job.config, job.data, job.budget, place, job.resume, job.init)
        except loop.Stopped as stopped:
            if ranks.is_first():
                _say_how_to_go_on(place, stopped.step)
            return ended_by(stopped.number)
        if ranks.is_first():
            _report(place, best, job.data)
        return 0

    def run_with_frames() -> int:
        from lanes.datasets._files import skipping_missing

        with skipping_missing(skip_missing):
            return run()

    raise typer.Exit(guarded(run_with_frames))


def _name(config: str | None, roots: Mapping[str, str]) -> str:
    """The name of the run: of its configuration, or of its first data set's folder."""
    if config is not None:
        return assets.config_file(config).stem
    names = (Path(root).resolve().name if root else name for name, root in roots.items())
    return next(names, "run")


def _resumed(place: Path, roots: Mapping[str, str]) -> _Job:
    """The run in `place` with its own settings; `roots` if its data has moved."""
    from lanes.training import checkpoint, loop
    from lanes.training.budget import Budget

    saved = checkpoint.load(place / loop.LAST)
    budget = Budget(saved.steps) if saved.steps else Budget(minutes=10)
    return _Job(saved.config, roots or saved.data, budget, place, resume=True)


def _planned(
    place: Path,
    roots: Mapping[str, str],
    minutes: float | None,
    steps: int | None,
    init: Path | None,
    changes: list[str],
) -> _Job:
    """A run planned from its data; writes the plan into `place` and prints it."""
    from lanes.training import config as configs
    from lanes.training import loop, plan, ranks
    from lanes.video.output_files import write_text

    if (place / loop.LAST).exists() or (place / loop.BEST).exists():
        raise BadOutput(f"{place} holds a run: continue it with --resume, or name another --folder")

    def make() -> plan.Plan:
        made = plan.make(roots, minutes, steps, str(init or ""), ranks.processes())
        texts = [f"{name}={root}" if root else name for name, root in roots.items()]
        given = [word for text in texts for word in ("--data", text)]
        command = ["lanes", "train", "--config", str(place / PLAN), *given]
        command += ["--steps", str(made.budget.steps), "--init", made.init]
        text = made.file(join(command))
        make_folder(place)
        write_text(place / PLAN, text)
        print("\n".join(made.lines), f"\nsettings ({place / PLAN}):\n{text}", sep="")
        return made

    made = ranks.by_first(make)
    config = configs.read(place / PLAN, changes) if changes else made.config
    return _Job(config, roots, made.budget, place, init=Path(made.init))


def _configured(
    place: Path,
    roots: Mapping[str, str],
    minutes: float | None,
    steps: int | None,
    init: Path | None,
    changes: list[str],
    config: str,
    resume: bool,
) -> _Job:
    """A run with the settings of a file."""
    from lanes.training import config as configs
    from lanes.training.budget import Budget

    chosen = configs.read(assets.config_file(config), changes)
    return _Job(chosen, roots, Budget(steps, minutes), place, resume, init)


def _examine(data: Mapping[str, str]) -> None:
    """Look at every image and mask, and print what is odd; raises `BadDataset` if one is unusable.

    The result is cached, so that a second run starts at once.
    """
    from rich.console import Console

    from lanes.doctor.data.check import check
    from lanes.system.progress import progress

    for name, root in data.items():
        if not root:
            continue
        with progress(Console(stderr=True), f"looking at {name}") as tick:
            found = check(Path(root), name, tick)
        for finding in found.findings:
            print(f"{finding.level}: {finding.text}", file=sys.stderr)
        if faults := [one for split in found.splits.values() for one in split if one.fault]:
            raise BadDataset(f"{len(faults)} images cannot be used; {faults[0].fault}")
        if found.task and found.usable("train") and not found.shares("train")[1:].any():
            raise BadDataset(
                f"all label maps of {root} hold only {found.task.class_names[0]}: there is nothing "
                "to learn; look at the labels, and at what labels.toml says they mean"
            )


def _show_batch(job: _Job) -> int:
    from lanes.training.preview import first_batch
    from lanes.video.output_files import write_image

    make_folder(job.folder)
    write_image(job.folder / BATCH, first_batch(job.config, job.data))
    print(f"{job.folder / BATCH}: the first batch; nothing is trained")
    return 0


def _say_how_to_go_on(place: Path, step: int) -> None:
    command = join(["lanes", "train", "--resume", "--folder", str(place)])
    print(f"stopped at step {step}, saved; go on with: {command}", file=sys.stderr)


def _report(place: Path, best: Checkpoint, data: Mapping[str, str]) -> None:
    """Write the pictures of a finished run, and print what comes next."""
    from lanes.training import report

    for picture in report.write(place, best):
        print(picture)
    print(f"best checkpoint: {place / 'best.pt'} (step {best.step} of {best.steps})")
    model = str(Path("models") / place.resolve().name)
    name, root = next(iter(data.items()))
    commands = [
        ["lanes", "export", str(place / "best.pt"), model],
        ["lanes", "evaluate", model, f"{name}={root}" if root else name],
        ["lanes", "video", "drive.mp4", "--model", model],
    ]
    print("next:", *(f"  {join(command)}" for command in commands), sep="\n")
