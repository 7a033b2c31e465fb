"""The commands `lanes data ...`: check, divide, convert and label images of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import OverwriteOption

data_app = typer.Typer(help="Check, divide, convert and label images of your own.")
RootArgument = Annotated[
    str, typer.Argument(metavar="[FORMAT=]ROOT", help="A folder of labelled images.")
]


@data_app.command()
def check(
    root: RootArgument,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One page with everything, to send on.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture of overlays with a legend.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Say what a folder of labelled images holds and what is wrong with it.

    Format, counts, sizes, class shares, values outside the table, labels that are all background,
    images that EXIF turns, pictures that are nearly the same in two splits. Exit code 1 if there
    are problems.
    """

    def run() -> int:
        from lanes.curation import command

        return command.run_check(root, html, sheet, overwrite)

    raise typer.Exit(guarded(run))
