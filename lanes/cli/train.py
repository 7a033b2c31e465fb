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
    steps: Annotated[int | None, typer.Option(help="How long: batches of the optimiser.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long: or by the clock.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the run goes; default: runs/<name of the config>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder, if there is one.")
    ] = False,
    init: Annotated[
        Path | None,
        typer.Option(help="Begin with the weights of a checkpoint (.pt) or of a model, by name."),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Another value than the file's, as TOML; repeat for more."
        ),
    ] = None,
) -> None:
    """Train a model of any task on one or several data sets; writes best.pt, curves and samples."""

    def run() -> int:
        # torch takes seconds to import: --help and a wrong option need not wait for it.
        from lanes.training import config as configs
        from lanes.training import loop, report

        file = assets.config_file(config)
        chosen = configs.read(file, set or ())
        place = folder or Path("runs") / file.stem
        budget = loop.Budget(steps, minutes)
        best = loop.train(chosen, roots_of(data), budget, place, resume, init)
        for picture in report.write(place, best):
            print(picture)
        print(f"best checkpoint: {place / 'best.pt'} (step {best.step} of {best.steps})")
        return 0

    raise typer.Exit(guarded(run))
