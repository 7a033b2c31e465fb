"""Implements `lanes recover`: names what killed runs left unfinished."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded


def recover(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Folders of results; default: this one."),
    ] = None,
) -> None:
    """Name the videos and tables that killed runs left unfinished, as far as they were written.

    They are hidden files, such as .drive_lanes.part.mp4. No existing file is replaced.
    """

    def run() -> int:
        from lanes.video import recover as recovering

        for folder in folders or [Path()]:
            named, removed = recovering.recover(folder)
            for path in named:
                print(f"recovered: {path}")
            for path in removed:
                print(f"removed, because nothing in it can be played: {path}")
            if not named and not removed:
                print(f"{folder}: nothing to recover")
        return 0

    raise typer.Exit(guarded(run))
