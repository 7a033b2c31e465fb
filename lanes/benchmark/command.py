"""Implements `lanes benchmark`: plan, measure, print, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from lanes import assets
from lanes import card as cards
from lanes.assets import DEMO
from lanes.benchmark import chart, tables
from lanes.benchmark.models import benchmark_models
from lanes.benchmark.plan import PlanOptions, plan
from lanes.benchmark.video import VideoOptions, benchmark_video
from lanes.errors import INCOMPLETE, BadInput
from lanes.pipeline.demo_clip import demo_files
from lanes.video.output_files import check_place, write_json
from lanes.video.places import check_apart


def run_models(
    options: PlanOptions,
    rounds: int,
    start: bool,
    json: Path | None,
    picture: Path | None,
    overwrite: bool,
) -> int:
    """Time models in backends; returns the exit code, 1 if some of them failed."""
    check_place(json, overwrite)
    check_place(picture, overwrite, suffix=".png")
    check_apart([], [path for path in (json, picture) if path])
    if picture:
        chart.check_library()
    _check_rounds(rounds)
    planned = plan(options)
    with _progress() as progress:
        found = benchmark_models(planned, rounds, start, progress)
    tables.show(found, Console())
    if json:
        write_json(json, found.to_dict())
    if picture:
        chart.write_chart(found, picture)
    return INCOMPLETE if found.failed else 0


def run_video(options: VideoOptions, rounds: int, json: Path | None, overwrite: bool) -> int:
    """Time a video by stage and as a whole; returns the exit code."""
    check_place(json, overwrite)
    check_apart([options.clip], [json] if json else [])
    _check_rounds(rounds)
    with _progress() as progress:
        if options.clip == DEMO:
            task = cards.read(assets.model_folder(options.model)).task
            clip, _ = demo_files(partial(progress, "rendering the demo"), task)
            options = replace(options, clip=str(clip))
        found = benchmark_video(options, rounds, lambda done: progress("timing", done, rounds))
    tables.show_video(found, Console())
    if json:
        write_json(json, found.to_dict())
    return 0


def _check_rounds(rounds: int) -> None:
    if rounds < 1:
        raise BadInput(f"--rounds {rounds}: wanted 1 or more")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr, removed when the work is done."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("starting")

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield update
