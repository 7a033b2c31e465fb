"""Implements `lanes batch`: label many files, show how far it is, print what failed."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.groups import Engine, LaneLinesOfMany, grouped
from lanes.cli.guard import guarded
from lanes.cli.options import (
    HudOption,
    ImageAlphaOption,
    InferEveryOption,
    ModelOption,
    OverwriteOption,
    Quality,
    QualityOption,
    TidyOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from lanes.pipeline.batch.job import Recipe
    from lanes.pipeline.batch.manifest import Row
    from lanes.pipeline.batch.run import Choice, Plan, Progress, Workers

LINE_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


@grouped
def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Video or image, folder with all below it, pattern, or list of paths: a text file "
            "or a CSV file with a column 'input'.",
        ),
    ],
    engine: Engine,
    lane: LaneLinesOfMany,
    outdir: Annotated[Path, typer.Option("-o", "--output", help="Folder for all results.")],
    model: ModelOption = DEFAULT_MODEL,
    quality: QualityOption = Quality.fast,
    alpha: ImageAlphaOption = None,
    hud: HudOption = True,
    infer_every: InferEveryOption = 1,
    tidied: TidyOption = False,
    masks: Annotated[
        bool, typer.Option("--masks", help="Also write the label maps of videos as PNGs.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Also write a JSON object per frame of videos.")
    ] = False,
    um_per_pixel: Annotated[
        float | None, typer.Option(help="Side of an image's pixel in micrometres, for cells.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of workers; default: one for two cores."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to run on: auto or ray://HOST:10001; default: none."),
    ] = None,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="GPUs of the Ray cluster for each worker.")
    ] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Label inputs again that failed before.")
    ] = False,
    checksum: Annotated[
        bool, typer.Option("--checksum", help="Find changed inputs by SHA-256, not by their time.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Label at most N inputs.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be labelled, and why.")
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Label many videos and images with several workers; run it again to go on.

    Each input gets a folder with what lanes video or lanes image writes, and a row of manifest.csv.
    A second run labels only what is new, changed or missing. Exit code 1 if inputs failed.
    """

    def run() -> int:
        from lanes import assets
        from lanes import card as cards
        from lanes.cli.first_use import warn_once
        from lanes.cli.video import NO_NETWORK
        from lanes.pipeline.batch.job import Recipe
        from lanes.pipeline.batch.run import Choice, Workers

        recipe = Recipe(
            model=_steady(model),
            backend=engine.backend,
            precision=engine.precision,
            device=engine.device,
            quality=quality.value,
            alpha=alpha,
            hud=hud,
            infer_every=infer_every,
            tidy=tidied,
            masks=masks,
            json=json,
            um_per_pixel=um_per_pixel,
            **vars(_steady_lane(lane)),
        )
        choice = Choice(retry_failed, checksum, overwrite, limit)
        if engine.backend != NO_NETWORK:
            warn_once(cards.read(assets.model_folder(model)))
        if dry_run:
            return _print_plan(inputs, outdir, recipe, choice)
        places = Workers(workers, engine.threads, address, gpus_per_worker)
        return _run(inputs, outdir, recipe, choice, places)

    raise typer.Exit(guarded(run))


def _steady_lane(lane: LaneLinesOfMany) -> LaneLinesOfMany:
    """The options so that workers in any folder find the calibration."""
    return replace(lane, calibration=lane.calibration and lane.calibration.absolute())


def _steady(model: str) -> str:
    """The model so that it is found from any folder: a name, or an absolute path."""
    from lanes import assets

    return model if model in assets.model_names() else str(assets.model_folder(model).absolute())


def _print_plan(inputs: list[str], outdir: Path, recipe: Recipe, choice: Choice) -> int:
    from lanes.pipeline.batch.run import plan

    recipe.check()
    planned = plan(inputs, outdir, recipe, choice)
    for job, reason in planned.due:
        print(f"{job.input}: {reason}")
    print(_rest(planned, f"{len(planned.due)} to label"))
    return 0


def _rest(planned: Plan, said: str) -> str:
    """`said`, and what of the inputs is not due."""
    states, parts = planned.states, [said]
    if states["done"]:
        parts.append(f"{states['done']} done before")
    if states["failed"]:
        parts.append(f"{states['failed']} failed before (--retry-failed labels them again)")
    return ", ".join(parts)


def _run(inputs: list[str], outdir: Path, recipe: Recipe, choice: Choice, workers: Workers) -> int:
    from rich.console import Console

    from lanes.errors import INCOMPLETE, ended_by
    from lanes.pipeline.batch.run import label
    from lanes.system.progress import progress

    console = Console(emoji=False, highlight=False)
    began = time.monotonic()
    with progress(console, "labelling") as bar:
        meter = _Meter(console, began)

        def tick(now: Progress, row: Row | None) -> None:
            bar(now.bytes, now.total_bytes, meter.note(now))
            meter.print_row(row)
            meter.print_line(now)

        done = label(inputs, outdir, recipe, choice, workers, tick)
    said = f"{done.done} labelled, {done.failed} failed" if done.plan.due else "nothing to label"
    seconds = time.monotonic() - began
    rate = f" in {seconds:.1f} s, {done.frames / seconds:.1f} FPS" if done.frames else ""
    print(f"{_rest(done.plan, said)}{rate}: {outdir / 'manifest.csv'}")
    if done.signal:
        return ended_by(done.signal)
    return INCOMPLETE if done.failed or done.plan.states["failed"] else 0


class _Meter:
    """Says how far a run is: beside the bar, or in a line now and then without a terminal."""

    def __init__(self, console: Console, began: float) -> None:
        self.console, self.began, self.last = console, began, began

    def note(self, now: Progress) -> str:
        """Inputs, failures, and frames per second since the start."""
        failed = f", {now.failed} failed" if now.failed else ""
        rate = now.frames / (time.monotonic() - self.began)
        return f"{now.done + now.failed} of {len(now.plan.due)}{failed}, {rate:.1f} FPS"

    def print_row(self, row: Row | None) -> None:
        """Report an input that failed or has warnings."""
        if row and row.error:
            print(f"error: {row.error}", file=sys.stderr)
        elif row and row.warnings:
            print(f"warning: {row.input}: {row.warnings}", file=sys.stderr)

    def print_line(self, now: Progress) -> None:
        """Print a line if there is no terminal and the last one is some time ago."""
        if self.console.is_terminal or time.monotonic() - self.last < LINE_EVERY:
            return
        self.last = time.monotonic()
        print(f"{self.note(now)}{self._time_left(now)}")

    def _time_left(self, now: Progress) -> str:
        if not now.bytes:
            return ""
        left = (now.total_bytes - now.bytes) / now.bytes * (self.last - self.began)
        return f", about {left // 60:.0f} min {left % 60:.0f} s left"
