"""The command `lanes import-model`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.errors import BadConfig


class Order(StrEnum):
    """Channel order of a network's input."""

    rgb = "rgb"
    bgr = "bgr"


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An .onnx or OpenVINO .xml file: float images in, scores out."
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model folder to write.")],
    classes: Annotated[
        list[str],
        typer.Option(
            metavar="A,B,...",
            help="The class of each channel of an output; repeat for each output. If several "
            "outputs label a pixel, the last one that is not background wins.",
        ),
    ],
    task: Annotated[str, typer.Option(help="The task that has these classes.")] = "lanes",
    input: Annotated[Order, typer.Option(help="Channel order of the input.")] = Order.rgb,
    scale: Annotated[float, typer.Option(help="Values are (x * scale - mean) / std.")] = 1.0,
    mean: Annotated[
        str, typer.Option(help="One number, or three by channel: 0.485,0.456,0.406")
    ] = "0",
    std: Annotated[str, typer.Option(help="One number, or three by channel.")] = "1",
    pad: Annotated[
        str,
        typer.Option(metavar="T,B,L,R", help="Rows and columns of padding that the network needs."),
    ] = "0,0,0,0",
    pad_value: Annotated[float, typer.Option(help="Value of the padding, 0 to 255.")] = 114.0,
    threshold: Annotated[
        float, typer.Option(help="Threshold for an output with one channel.")
    ] = 0.5,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Input size, if the network accepts any size.")
    ] = "",
    terms: Annotated[str, typer.Option(help="Terms of use, recorded in the card.")] = "",
) -> None:
    """Make a model folder from a third-party network, for use with all lanes commands.

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
            f"{card.resize}; same labels as the original"
        )
        return 0

    raise typer.Exit(guarded(run))


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise BadConfig(f"{option} {text!r}: wanted numbers separated by commas") from error


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise BadConfig(f"--size {text!r}: wanted WIDTHxHEIGHT, such as 640x360")
    return int(height), int(width)
