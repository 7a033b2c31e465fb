"""The commands `lanes teach` and `lanes distill`, which make soft labels from other networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import DataOption, ThreadsOption, roots_of
from lanes.errors import BadConfig, BadOutput

SplitOption = Annotated[str, typer.Option(help="Split to label.")]


def teach(
    networks: Annotated[
        Path, typer.Option(help="Folder with road-segmentation-adas-0001 and TwinLiteNet+.")
    ],
    cache: Annotated[Path, typer.Option(help="Folder to write; must be outside the project.")],
    data: DataOption,
    split: SplitOption = "train",
    threads: ThreadsOption = None,
) -> None:
    """Label a data set's frames with two published networks, and cache the results.

    Train with --set teachers="'CACHE'" to use them. An interrupted run can be continued.
    """

    def run() -> int:
        from rich.console import Console

        from lanes import plugins
        from lanes.system.progress import progress
        from lanes.training import teachers

        place = _outside(cache)
        loaded = teachers.Teachers(networks, threads)
        for name, root in roots_of(data).items():
            dataset = plugins.load("datasets", name).open(root, split)
            if not hasattr(dataset, "frames_by_stem"):
                raise BadConfig(f"data set {name} supports no teachers: choose another")
            with progress(Console(stderr=True), name) as tick:
                new = teachers.fill(place, name, dataset.frames_by_stem(), loaded, tick)
            print(f"{name}: {len(dataset)} frames, {new} new", flush=True)
        return 0

    raise typer.Exit(guarded(run))


def distill(
    teacher: Annotated[Path, typer.Argument(metavar="TEACHER.pt", help="A checkpoint.")],
    data: DataOption,
    folder: Annotated[Path, typer.Option(help="Folder for the maps; must be outside the project.")],
    split: SplitOption = "train",
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror", help="Average with the mirrored image: better, but twice the time."
        ),
    ] = False,
) -> None:
    """Write a trained network's class probabilities for each image, to train a student model.

    Train with --set distilled="'FOLDER'" to use them. An interrupted run can be continued.
    """

    def run() -> int:
        from rich.console import Console
        from rich.progress import track

        place, roots = _outside(folder), roots_of(data)
        from lanes.training import checkpoint, distil, mix

        def shown(indices: range, name: str) -> Iterable[int]:
            return track(indices, name, console=Console(stderr=True), transient=True)

        loaded = checkpoint.load(teacher)
        datasets = mix.open_all(roots, split, loaded.config.task)
        written = distil.write(loaded, datasets, place, mirror, shown)
        print(f"{written} new maps in {place}")
        return 0

    raise typer.Exit(guarded(run))


def _outside(folder: Path) -> Path:
    """The resolved folder; it may not be in the checkout, as it derives from third-party images."""
    place = folder.expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and place.is_relative_to(checkout):
        raise BadOutput(f"{place} is inside the project: choose a folder outside of it")
    return place
