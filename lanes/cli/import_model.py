"""The command `lanes import-model`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.errors import BadConfig


class Order(StrEnum):
    """In which order a network takes the colours."""

    rgb = "rgb"
    bgr = "bgr"


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An .onnx file, or .xml of OpenVINO: float images in, scores out."
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model folder to make.")],
    classes: Annotated[
        list[str],
        typer.Option(
            metavar="A,B,...",
            help="The class of each channel of an output; repeat for each output. Of several "
            "outputs the last one that is not background counts.",
        ),
    ],
    task: Annotated[str, typer.Option(help="The task whose classes these are.")] = "lanes",
    input: Annotated[Order, typer.Option(help="Order of the colours.")] = Order.rgb,
    scale: Annotated[float, typer.Option(help="Values are (x * scale - mean) / std.")] = 1.0,
    mean: Annotated[
        str, typer.Option(help="One number, or three by channel: 0.485,0.456,0.406")
    ] = "0",
    std: Annotated[str, typer.Option(help="One number, or three by channel.")] = "1",
    pad: Annotated[
        str, typer.Option(metavar="T,B,L,R", help="Rows and columns that the network wants around.")
    ] = "0,0,0,0",
    pad_value: Annotated[float, typer.Option(help="What fills them, 0 to 255.")] = 114.0,
    threshold: Annotated[float, typer.Option(help="Of an output with one channel.")] = 0.5,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Of the image, where the network takes any.")
    ] = "",
    terms: Annotated[str, typer.Option(help="Terms of use, for the card.")] = "",
) -> None:
    """Make a model folder of somebody else's ONNX network, so that all of lanes can run it.

    Example: lanes import-model twinlitenetplus.onnx models/twinlite --scale 0.00392157
    --pad 12,12,0,0 --classes background,drivable --classes "background,lane line"
    """

    def run() -> int:
        pads = _numbers("--pad", pad)
        if len(pads) != 4 or any(n < 0 or n != int(n) for n in pads):
            raise BadConfig(f"--pad {pad!r}: wanted four counts, such as 12,12,0,0")
        means, deviations = _numbers("--mean", mean), _numbers("--std", std)
        from lanes.export.imported import Wrapping
        from lanes.export.imported import import_model as wrap

        top, bottom, left, right = map(int, pads)
        wrapping = Wrapping(
            task=task,
            heads=tuple(tuple(n.strip() for n in one.split(",")) for one in classes),
            order=input.value,
            scale=scale,
            mean=means,
            std=deviations,
            threshold=threshold,
            pad=(top, bottom, left, right),
            pad_value=pad_value,
            size=_size(size),
            **({"terms": terms} if terms else {}),
        )
        card = wrap(file, folder, wrapping)
        print(
            f"{folder}: {card.parameters / 1e6:.2f} M parameters, {card.gflop:.1f} GFLOP at "
            f"{card.resize}; labels as the original's"
        )
        return 0

    raise typer.Exit(guarded(run))


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise BadConfig(f"{option} {text!r}: wanted numbers with commas between them") from error


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise BadConfig(f"--size {text!r}: wanted WIDTHxHEIGHT, such as 640x360")
    return int(height), int(width)
