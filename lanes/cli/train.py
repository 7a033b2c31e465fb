"""The command `lanes train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes import assets
from lanes.cli.guard import guarded
from lanes.cli.options import DataOption, roots_of


def train(
    config: Annotated[
        str, typer.Option(help="An included configuration, such as lanes_tiny, or a TOML file.")
    ],
    data: DataOption,
    steps: Annotated[
        int | None, typer.Option(help="Length of the training in optimiser steps.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the training in minutes.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the run; default: runs/<name of the config>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder, if it has one.")
    ] = False,
    init: Annotated[
        Path | None,
        typer.Option(help="Start from the weights of a checkpoint (.pt) or of a model, by name."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Override a value of the file, as TOML; repeatable."
        ),
    ] = None,
) -> None:
    """Train a model on one or several data sets; writes best.pt, curves and samples."""

    def run() -> int:
        # Imported here, because torch takes seconds to import.
        from lanes.training import config as configs
        from lanes.training import loop, report
        from lanes.training.budget import Budget

        file = assets.config_file(config)
        chosen = configs.read(file, set or ())
        place = folder or Path("runs") / file.stem
        budget = Budget(steps, minutes)
        best = loop.train(chosen, roots_of(data), budget, place, resume, init)
        for picture in report.write(place, best):
            print(picture)
        print(f"best checkpoint: {place / 'best.pt'} (step {best.step} of {best.steps})")
        return 0

    raise typer.Exit(guarded(run))
