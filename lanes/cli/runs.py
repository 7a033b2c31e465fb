"""The command `lanes runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="The folder of the runs.")
    ] = Path("runs"),
) -> None:
    """List the training runs of a folder with their best scores, latest first."""

    def run() -> int:
        from rich.console import Console

        from lanes.training import history

        Console().print(history.table(history.find(folder)))
        return 0

    raise typer.Exit(guarded(run))
