"""The command `lanes evaluate`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import BackendOption, DeviceOption, PrecisionOption, ThreadsOption


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or folder.")],
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A data set: image_folder, bdd100k, ...")
    ],
    root: Annotated[
        str, typer.Argument(metavar="ROOT", help="The data set's folder, if it needs one.")
    ] = "",
    split: Annotated[str, typer.Option(help="Split of the data: train, choose, val, ...")] = "val",
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    json: Annotated[Path | None, typer.Option(help="Write the results to this JSON file.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for confusion.png and worst_best.png.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Record the results in the model's card.")
    ] = False,
) -> None:
    """Score an exported model on a data set, in the chosen backend."""

    def run() -> int:
        from rich.console import Console
        from rich.progress import track

        from lanes import assets, segmenter
        from lanes.metrics import evaluate as evaluation

        def shown(indices: range) -> Iterable[int]:
            return track(indices, "labelling", console=Console(stderr=True), transient=True)

        opened = evaluation.open_dataset(dataset, root, split)
        with segmenter.load(model, backend, precision, device, threads) as loaded:
            if pictures:
                evaluation.make_folder(pictures)  # fail before the evaluation
            found = evaluation.evaluate(loaded, opened, dataset, split, shown)
            if pictures:
                evaluation.draw(found, loaded, opened, pictures)
        if json:
            found.write(json)
        if card:
            found.note_in_card(assets.model_folder(model))
        Console().print(found.table())
        return 0

    raise typer.Exit(guarded(run))
