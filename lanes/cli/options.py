"""Options that several commands share, as annotations of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from lanes.errors import BadConfig


class Quality(StrEnum):
    """Encoder effort: more effort makes smaller files."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


ModelOption: TypeAlias = Annotated[
    str, typer.Option(help="An included model (see lanes models), or a model folder.")
]
BackendOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch or classical."
    ),
]
PrecisionOption: TypeAlias = Annotated[
    str, typer.Option(help="auto, fp32, bf16, fp16 or int8, if the device supports it.")
]
DeviceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Device, such as cpu, gpu or cuda; default: the backend's default."),
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="CPU threads for the network; default: all cores.")
]
AlphaOption: TypeAlias = Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")]
QualityOption: TypeAlias = Annotated[Quality, typer.Option(help="Encoder effort.")]
FiguresOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write all results to this JSON file.")
]
OverwriteOption: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.")
]
DataOption: TypeAlias = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=ROOT",
        help="A data set and its folder; may be given repeatedly. synthetic needs no folder.",
    ),
]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


def roots_of(pairs: Sequence[str]) -> dict[str, str]:
    """Parse the `NAME=ROOT` pairs of `--data`; ROOT is empty for a data set without files.

    Raises:
        BadConfig: a pair has no name, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, root = pair.partition("=")
        if not name or name in found:
            raise BadConfig(f"--data {pair!r}: wanted NAME=ROOT, each name once")
        found[name] = root
    return found
