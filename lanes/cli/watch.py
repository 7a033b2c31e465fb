"""The command `lanes watch`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.groups import Engine, grouped
from lanes.cli.guard import guarded
from lanes.cli.options import ModelOption, OverwriteOption

if TYPE_CHECKING:
    from rich.table import Table

    from lanes.live.cameras import Cameras

TABLE = "cameras.csv"
TICK_SECONDS = 0.2
TABLE_EVERY = 1.0
"""Seconds between two figures on a terminal."""
PRINT_EVERY = 10.0
"""The same where there is no terminal."""


@grouped
def watch(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CAMERAS.toml",
            help="A table for each camera: [gate], source = URL, camera's number or file; record, "
            "json, events, lines, smooth, birdseye = true or false; calibration, infer_every.",
        ),
    ],
    engine: Engine,
    outdir: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for what the cameras write.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Label many cameras and streams at once with one engine; Ctrl-C stops.

    A camera that is lost or not there is tried again; the others go on. The folder of -o also gets
    cameras.csv: frames, dropped frames, FPS and latency of each. Exit code 1 if a camera failed.
    """

    def run() -> int:
        from lanes.errors import INCOMPLETE, BadInput, ended_by
        from lanes.live.cameras import Cameras, read_cameras
        from lanes.system import ending
        from lanes.system.atomic import make_folder
        from lanes.system.threads import opencv_threads, share, usable_cores
        from lanes.video.output_files import check_new

        if seconds is not None and not seconds > 0:
            raise BadInput(f"--seconds {seconds}: wanted more than 0")
        cameras = read_cameras(config)
        if outdir:
            make_folder(outdir)
            check_new(outdir / TABLE, overwrite)
        with (
            opencv_threads(share(usable_cores()).opencv),
            engine.load(model) as segmenter,
            ending.finishing() as end,
        ):
            with Cameras(cameras, segmenter, outdir, overwrite) as watched:
                _follow(watched, seconds)
            rows = watched.rows()
            if outdir:
                watched.write_table(outdir / TABLE, overwrite)
        if end.number:
            return ended_by(end.number)
        return INCOMPLETE if any(row["error"] for row in rows) else 0

    raise typer.Exit(guarded(run))


def _follow(watched: Cameras, seconds: float | None) -> None:
    """Show the figures until all cameras end, the time is over, or a signal comes."""
    from rich.console import Console
    from rich.live import Live

    from lanes.system import ending

    console = Console(emoji=False, markup=False, highlight=False, soft_wrap=True)
    every = TABLE_EVERY if console.is_terminal else PRINT_EVERY
    began = shown = time.monotonic()
    with Live(_table(watched), console=console, auto_refresh=False) as screen:
        while watched.tend() and not ending.asked():
            now = time.monotonic()
            for sentence in watched.news():
                console.print(sentence)
            if seconds is not None and now - began >= seconds:
                break
            if now - shown >= every:
                shown = now
                screen.update(_table(watched), refresh=True)
                if not console.is_terminal:
                    console.print(_table(watched))
            time.sleep(TICK_SECONDS)
        for sentence in watched.news():
            console.print(sentence)
        screen.update(_table(watched), refresh=True)


def _table(watched: Cameras) -> Table:
    from rich.table import Table

    table = Table("camera", "state", "FPS", "frames", "dropped", "p50 ms", "p95 ms")
    for row in watched.rows():
        keys = ("camera", "state", "fps", "frames", "dropped", "p50_ms", "p95_ms")
        table.add_row(*(str(row[key]) for key in keys))
    return table
