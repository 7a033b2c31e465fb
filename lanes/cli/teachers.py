"""The commands `lanes teach` and `lanes distill`: what training may learn from other networks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import DataOption, ThreadsOption, roots_of
from lanes.errors import BadConfig, BadOutput

SplitOption = Annotated[str, typer.Option(help="The split whose pictures are labelled.")]


def teach(
    networks: Annotated[
        Path, typer.Option(help="Folder of road-segmentation-adas-0001 and TwinLiteNet+.")
    ],
    cache: Annotated[Path, typer.Option(help="Folder to write, outside the project.")],
    data: DataOption,
    split: SplitOption = "train",
    threads: ThreadsOption = None,
) -> None:
    """Write what two published networks say of a data set's frames into a cache.

    Training reads it with --set teachers="'CACHE'". A broken run goes on where it ended.
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
                raise BadConfig(f"data set {name} learns from no teacher")
            with progress(Console(stderr=True), name) as tick:
                new = teachers.fill(place, name, dataset.frames_by_stem(), loaded, tick)
            print(f"{name}: {len(dataset)} frames, {new} new", flush=True)
        return 0

    raise typer.Exit(guarded(run))


def distill(
    teacher: Annotated[Path, typer.Argument(metavar="TEACHER.pt", help="A checkpoint.")],
    data: DataOption,
    folder: Annotated[Path, typer.Option(help="Folder for the maps, outside the project.")],
    split: SplitOption = "train",
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Mean with the mirror image's: better, twice the time.")
    ] = False,
) -> None:
    """Write a trained network's class probabilities of every picture, for students to learn from.

    Training reads them with --set distilled="'FOLDER'". A broken run goes on where it ended.
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
    """The folder, which must not be in a checkout: it is made of pictures that are others'."""
    place = folder.expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file() and place.is_relative_to(checkout):
        raise BadOutput(f"{place} lies in the project: name a folder outside of it")
    return place
