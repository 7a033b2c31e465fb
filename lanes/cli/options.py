"""Options that several commands share, as annotations of their arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer


class Quality(StrEnum):
    """Encoder effort: more effort makes smaller files."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


class LinesFormat(StrEnum):
    """A benchmark's format of lane lines."""

    tusimple = "tusimple"
    culane = "culane"


ModelOption: TypeAlias = Annotated[
    str, typer.Option(help="An included model (see lanes models), or a model folder.")
]
BackendOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch, classical or kserve "
        "(a server)."
    ),
]
PrecisionOption: TypeAlias = Annotated[
    str, typer.Option(help="auto, fp32, bf16, fp16 or int8, if the device supports it.")
]
DeviceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Device, such as cpu, gpu or cuda, or a server, grpc://HOST:8001; default: the "
        "backend's default."
    ),
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="CPU threads for the network; default: all cores.")
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
AudioOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        help="Sound device to record with a camera, such as plughw:1 (arecord -L). Files and "
        "streams keep their own sound.",
    ),
]
QualityOption: TypeAlias = Annotated[Quality, typer.Option(help="Encoder effort.")]
FiguresOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write all results to this JSON file.")
]
OverwriteOption: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.")
]
ImageAlphaOption: TypeAlias = Annotated[
    float | None, typer.Option(help="Opacity of the overlay, 0 to 1; default: the task's.")
]
InferEveryOption: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Run the network on every Nth frame; optical flow labels the frames between.",
    ),
]
HudOption: TypeAlias = Annotated[
    bool, typer.Option("--hud/--no-hud", help="Show FPS, ms and IoU in videos.")
]
TidyOption: TypeAlias = Annotated[
    bool,
    typer.Option("--tidy", help="Remove small stray pieces of road and fill small holes in it."),
]
LinesOption: TypeAlias = Annotated[
    bool, typer.Option("--lines/--no-lines", help="Find, follow and draw lane lines.")
]
CalibrationOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="camera.toml: height, field of view; gives metres."),
]
BirdseyeOption: TypeAlias = Annotated[
    bool, typer.Option("--birdseye", help="Show the road from above, in the upper right corner.")
]
SmoothOption: TypeAlias = Annotated[
    bool, typer.Option("--smooth", help="Steady the labels along optical flow.")
]
DataOption: TypeAlias = Annotated[
    list[str],
    typer.Option(
        metavar="[FORMAT=]ROOT",
        help="A folder of labelled images, its format if detection fails, or the name of a data "
        "set without files, such as synthetic; repeat for more.",
    ),
]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


def roots_of(texts: Sequence[str]) -> dict[str, str]:
    """The names and roots of `--data`; prints each detected format. See `lanes.datasets`."""
    from lanes import datasets

    found, notes = datasets.roots_of(texts)
    for note in notes:
        print(note, file=sys.stderr)
    return found
