"""The command `lanes stability`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.guard import guarded
from lanes.cli.options import BackendOption, PrecisionOption, TidyOption


def stability(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Video files.")],
    model: Annotated[
        list[str] | None, typer.Option(help="A model's name or folder; repeat to compare.")
    ] = None,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    tidied: TidyOption = False,
) -> None:
    """Measure the temporal consistency of models on clips; one row per model and clip.

    Also counts stray pieces of road and holes in it, per frame.
    """

    def run() -> int:
        import numpy as np
        from rich.console import Console
        from rich.table import Table

        from lanes import segmenter
        from lanes.pipeline.consistency import stability
        from lanes.pipeline.tidy import tidy
        from lanes.video import VideoSource

        rows = []
        steps = [tidy] if tidied else []
        for name in model or [DEFAULT_MODEL]:
            with segmenter.load(name, backend, precision) as loaded:
                for clip in clips:
                    with VideoSource(clip) as source:
                        rows.append((name, clip.name, stability(source, loaded, steps)))
        classes = list(dict.fromkeys(name for *_, found in rows for name in found.consistency))
        table = Table("model", "clip", *classes, "mean", "stray pieces", "holes")
        for model_name, clip_name, found in rows:
            values = [found.consistency.get(name, np.nan) for name in classes]
            shown = ["" if np.isnan(value) else f"{value:.3f}" for value in values]
            strays = [f"{count:.2f}" for count in found.strays or ()]
            table.add_row(model_name, clip_name, *shown, f"{np.nanmean(values):.3f}", *strays)
        Console().print(table)
        return 0

    raise typer.Exit(guarded(run))
