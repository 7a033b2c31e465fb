"""Benchmark tables for an 80-column terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lanes.benchmark.models import Benchmark, Figures
from lanes.benchmark.video import VideoFigures
from lanes.system.machine import Machine


def show(found: Benchmark, console: Console) -> None:
    """Print the machine, up to three tables per model, and what failed or was left out."""
    _say(console, str(found.machine))
    versions = ", ".join(f"{name} {version}" for name, version in found.machine.versions.items())
    _say(console, f"Python {found.machine.python}, {versions}")
    _warn_if_busy(console, found.machine)
    for model, of_model in groupby(found.figures, lambda one: one.configuration.model):
        figures = list(of_model)
        console.print()
        console.print(_table([_speed(one) for one in figures], title=escape(Path(model).name)))
        console.print(_table([_cost(one) for one in figures]))
        console.print(_table([_accuracy(one) for one in figures]))
        checks = [one.check for one in figures if one.check and one.check.reference]
        for parity in dict.fromkeys(f"as {one.reference}, on {one.frames}" for one in checks):
            _say(console, f"Same labels: {parity}.")
    console.print()
    _say(console, f"Latency: one image at a time; all take turns, {found.rounds} rounds.")
    _say(console, "FPS: with enough images in flight to keep the engine busy.")
    if any(one.start for one in found.figures):
        _say(console, "Start: from process start to the first labels. Cold: with an empty cache.")
    for heading, reasons in (("failed", found.failed), ("left out", found.left_out)):
        for name, why in reasons.items():
            _say(console, f"{heading}: {name}: {why}")


Row = dict[str, str]
"""A row's texts by column head; a column with no text is left out."""


def _table(rows: Sequence[Row], title: str = "") -> Table | str:
    known = dict.fromkeys(head for row in rows for head in row)
    heads = [head for head in known if any(row.get(head) for row in rows)]
    if len(heads) < 2:
        return ""
    table = Table(title=title, title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in heads:
        justify: Literal["left", "right"] = "right" if head else "left"
        table.add_column(head, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(row.get(head, "") for head in heads))
    return table


def _speed(one: Figures) -> Row:
    timing, parity = one.timing, one.check.parity if one.check else None
    return {
        "": one.configuration.engine,
        "p50\nms": _short(timing.p50 * 1e3),
        "p95\nms": _short(timing.p95 * 1e3),
        "p99\nms": _short(timing.p99 * 1e3),
        "FPS": _short(timing.throughput),
        "times\ntorch": "" if one.times_torch is None else f"{one.times_torch:.1f}",
        "same\nlabels": "" if parity is None else _percent(parity),
    }


def _cost(one: Figures) -> Row:
    timing, start = one.timing, one.start
    return {
        "": one.configuration.engine,
        "on disk\nMB": _short(one.size / 1e6) if one.size else "",
        "load\ns": f"{timing.load:.2f}",
        "first\nms": _short(timing.first * 1e3),
        "memory\nMB": f"{timing.memory / 1e6:.0f}" if timing.memory else "",
        "start\ncold s": f"{start.cold:.2f}" if start else "",
        "start\nwarm s": f"{start.warm:.2f}" if start else "",
    }


def _accuracy(one: Figures) -> Row:
    values = {f"{f.dataset} {f.title}": f.value for f in one.accuracy}
    return {
        "": one.configuration.engine,
        **{title.replace(" ", "\n"): f"{value:.3f}" for title, value in values.items()},
    }


def _short(value: float) -> str:
    """Three significant digits, or all digits before the point."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _percent(share: float) -> str:
    # 99.996 % is not 100 %.
    return "100 %" if share == 1 else f"{min(share * 100, 99.99):.2f} %"


def _warn_if_busy(console: Console, machine: Machine) -> None:
    if machine.busy:
        _say(
            console,
            f"Other programs kept this machine busy (load {machine.load:.1f} on "
            f"{machine.cores} cores): do not trust the times.",
        )


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def show_video(found: VideoFigures, console: Console) -> None:
    """Print a row per stage, one for the pipeline, and its bounds."""
    height, width = found.size
    _say(console, str(found.machine))
    _warn_if_busy(console, found.machine)
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=escape(found.clip), title_style="bold"
    )
    table.add_column("")
    for head in ("ms per\nframe", "FPS", "CPU ms\nper frame", "cores\nbusy"):
        table.add_column(head, justify="right")
    for name, cost in {**found.stages, "pipeline": found.pipeline}.items():
        if name == "pipeline":
            table.add_section()
        milliseconds = f"{cost.seconds * 1e3:.2f}", f"{1 / cost.seconds:.1f}"
        table.add_row(
            name, *milliseconds, f"{cost.cpu * 1e3:.2f}", f"{cost.cpu / cost.seconds:.2f}"
        )
    console.print(table)
    _say(
        console,
        f"{width}x{height}, {found.frames} frames, {found.model} on {found.backend} "
        f"{found.precision}; stages alone, then overlapped; medians of {found.rounds} rounds.\n"
        f"Pipeline {found.fps:.1f} FPS = {found.ratio:.2f} of 1 / (decode + infer + encode) = "
        f"{found.serial_fps:.1f} FPS.\n"
        f"Bounds: {found.slowest} alone {1 / found.stages[found.slowest].seconds:.1f} FPS, "
        f"{found.machine.cores} cores at full load {found.cpu_fps:.1f} FPS; the pipeline reaches "
        f"{found.fps / found.bound_fps:.2f} of the lower.",
    )
    if found.memory:
        _say(console, f"Peak memory of the whole process: {found.memory / 1e6:.0f} MB.")
