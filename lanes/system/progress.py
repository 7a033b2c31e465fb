"""The progress bar of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def progress(console: Console, name: str) -> Iterator[Callable[[float, int | None, str], None]]:
    """A progress bar with a note and the time left; appears at the first update."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(name, total=None, note="")

    def tick(done: float, total: int | None, note: str) -> None:
        if console.is_terminal and not bar.live.is_started:
            bar.start()
        bar.update(task, completed=done, total=total, note=note)

    try:
        yield tick
    finally:
        # Stopping a bar that never started prints an empty line.
        if bar.live.is_started:
            bar.stop()
