"""The options that several commands have: each is told once.

`lanes.cli` and `lanes.cli.benchmark` name them as the annotations of their arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer


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
QualityOption: TypeAlias = Annotated[Quality, typer.Option(help="Encoder effort.")]
FiguresOption: TypeAlias = Annotated[Path | None, typer.Option(help="File for all figures.")]
OverwriteOption: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing files.")
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
