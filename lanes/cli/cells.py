"""The command `lanes cells score`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import FiguresOption, OverwriteOption

cells_app = typer.Typer(help="Tables of cells: scores against boxes.")


@cells_app.callback()
def _cells() -> None:
    """Tables of cells: scores against boxes."""


@cells_app.command()
def score(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="Folder that lanes image wrote.")
    ],
    boxes: Annotated[
        Path,
        typer.Argument(
            metavar="BOXES", help="CSV with image, class (RBC, WBC), left, top, right, bottom."
        ),
    ],
    json: FiguresOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Score cells.csv against true boxes of red and white cells.

    hit once: boxes that exactly one cell hits (IoU of the boxes 0.5). crowded: boxes that hold
    another cell (80 % of its box). white recall, white known: white cells hit by any cell, by one
    of the kind white. count error: mean over pictures. ap50: TP / (TP + FP + FN).
    """

    def run() -> int:
        from rich.console import Console
        from rich.table import Table

        from lanes.metrics.boxes import BoxCounts, score_tables
        from lanes.video.output_files import check_place, write_json

        check_place(json, overwrite)
        counts = score_tables(results, boxes)
        pooled = sum(counts.values(), BoxCounts())
        figures = {k: None if math.isnan(v) else v for k, v in pooled.figures().items()}
        table = Table("", *figures)
        values = ("-" if v is None else f"{v:.3f}" for v in figures.values())
        table.add_row(f"{pooled.true} boxes in {pooled.pictures} pictures", *values)
        Console().print(table)
        if json:
            write_json(json, {"figures": figures, "counts": vars(pooled)})
        return 0

    raise typer.Exit(guarded(run))
