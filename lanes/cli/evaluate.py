"""The command `lanes evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.groups import Engine, grouped
from lanes.cli.guard import guarded
from lanes.cli.options import SkipMissingOption, TidyOption, roots_of


@grouped
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or folder.")],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A folder of labelled images, or a data set: bdd100k, ..."
        ),
    ],
    engine: Engine,
    root: Annotated[
        str, typer.Argument(metavar="ROOT", help="The data set's folder, if it needs one.")
    ] = "",
    tidied: TidyOption = False,
    split: Annotated[str, typer.Option(help="Split of the data: train, choose, val, ...")] = "val",
    json: Annotated[Path | None, typer.Option(help="Write the results to this JSON file.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for confusion.png and worst_best.png.")
    ] = None,
    skip_missing: SkipMissingOption = False,
    card: Annotated[
        bool, typer.Option("--card", help="Record the results in the model's card.")
    ] = False,
) -> None:
    """Score an exported model on a data set, in the chosen backend."""

    def run() -> int:
        from rich.console import Console
        from rich.progress import track

        from lanes import assets
        from lanes.datasets._files import skipping_missing
        from lanes.images.regions import tidied as tidied_labels
        from lanes.metrics import evaluate as evaluation
        from lanes.system.atomic import make_folder

        def shown(indices: range) -> Iterable[int]:
            return track(indices, "labelling", console=Console(stderr=True), transient=True)

        ((name, place),) = roots_of([f"{dataset}={root}" if root else dataset]).items()
        with skipping_missing(skip_missing):
            opened = evaluation.open_dataset(name, place, split)
        if missing := getattr(opened, "missing", 0):
            print(f"{missing} frames lack a file and are left out", file=sys.stderr)
        with engine.load(model) as loaded:
            if pictures:
                make_folder(pictures)  # fail before the evaluation
            surface = loaded.task.surface if tidied else ()
            found = evaluation.evaluate(
                loaded, opened, name, split, shown, lambda labels: tidied_labels(labels, surface)
            )
            if pictures:
                evaluation.draw(found, loaded, opened, pictures)
        if json:
            found.write(json)
        if card:
            found.note_in_card(assets.model_folder(model))
        Console().print(found.table())
        return 0

    raise typer.Exit(guarded(run))
