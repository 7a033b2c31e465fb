"""The options that several commands have: each is told once.

`lanes.cli` and `lanes.cli.benchmark` name them as the annotations of their arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from lanes.errors import BadConfig


class Quality(StrEnum):
    """How much time the encoder takes for small files."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


ModelOption: TypeAlias = Annotated[
    str, typer.Option(help="A model that comes along (lanes models), or a model folder.")
]
BackendOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch or classical."
    ),
]
PrecisionOption: TypeAlias = Annotated[
    str, typer.Option(help="auto, fp32, bf16, fp16 or int8, as far as the device has it.")
]
DeviceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="One of the backend's, such as cpu, gpu or cuda; default: its own."),
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Of the processor, for the network; default: all cores.")
]
AlphaOption: TypeAlias = Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")]
CameraSizeOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="WxH", help="Size to ask of a camera, such as 1280x720.")
]
CameraFpsOption: TypeAlias = Annotated[
    float | None, typer.Option(metavar="FPS", help="Frames a second to ask of a camera.")
]
CameraFormatOption: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FOURCC", help="Pixel format to ask of a camera, such as mjpg or yuyv."),
]
QualityOption: TypeAlias = Annotated[Quality, typer.Option(help="Encoder effort.")]
FiguresOption: TypeAlias = Annotated[Path | None, typer.Option(help="File for all figures.")]
OverwriteOption: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.")
]
DataOption: TypeAlias = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=ROOT",
        help="A data set and its folder; repeat for more. synthetic has none.",
    ),
]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


def roots_of(pairs: Sequence[str]) -> dict[str, str]:
    """The pairs `NAME=ROOT` of `--data` as a mapping; a data set without files has no root.

    Raises:
        BadConfig: a pair has no name, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, root = pair.partition("=")
        if not name or name in found:
            raise BadConfig(f"--data {pair!r}: wanted NAME=ROOT, each name once")
        found[name] = root
    return found
