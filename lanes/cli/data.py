"""The commands `lanes data ...`: check, divide, convert and label images of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.guard import guarded
from lanes.cli.options import (
    BackendOption,
    DeviceOption,
    ModelOption,
    OverwriteOption,
    PrecisionOption,
    SkipMissingOption,
)

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
    skip_missing: SkipMissingOption = False,
) -> None:
    """Say what a folder of labelled images holds and what is wrong with it.

    Format, counts, sizes, class shares, values outside the table, labels that are all background,
    images that EXIF turns, pictures that are nearly the same in two splits. Exit code 1 if there
    are problems.
    """

    def run() -> int:
        from lanes.datasets._files import skipping_missing
        from lanes.doctor.data import command

        with skipping_missing(skip_missing):
            return command.run_check(root, html, sheet, overwrite)

    raise typer.Exit(guarded(run))


@data_app.command()
def split(
    root: RootArgument,
    val: Annotated[float, typer.Option(help="Share of the images that scores models.")] = 0.1,
    choose: Annotated[
        float, typer.Option(help="Share of the images that chooses checkpoints.")
    ] = 0.1,
    drive: Annotated[
        int,
        typer.Option(metavar="N", help="Images whose names share N characters are of one drive."),
    ] = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Divide a folder into train, choose and val by ROOT/splits.csv, which every command reads.

    Pictures that are nearly the same, and those of one drive, stay in one split.
    """

    def run() -> int:
        from lanes.doctor.data import command

        return command.run_split(root, val, choose, drive, overwrite)

    raise typer.Exit(guarded(run))


@data_app.command()
def convert(
    root: RootArgument,
    to: Annotated[str, typer.Option(help="ids (masks), coco or yolo.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder.")],
) -> None:
    """Write a folder of labelled images in another format, with its splits train and val."""

    def run() -> int:
        from lanes.doctor.data import command

        return command.run_convert(root, to, output)

    raise typer.Exit(guarded(run))


@data_app.command()
def label(
    images: Annotated[str, typer.Argument(metavar="IMAGES", help="A folder, glob or image.")],
    to: Annotated[str, typer.Option(help="labelme or cvat: the tool that corrects them.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for the labels; default: beside the images."),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a model's labels as polygons, to be corrected in LabelMe or CVAT."""

    def run() -> int:
        from lanes import segmenter
        from lanes.doctor.data import command

        def load() -> segmenter.Segmenter:
            return segmenter.load(model, backend, precision, device)

        return command.run_label(images, load, to, output, overwrite)

    raise typer.Exit(guarded(run))
