"""Checks that every backend makes of a model's network and of what it is fed."""

from __future__ import annotations

from pathlib import Path

from lanes.card import ONNX
from lanes.errors import BackendError, BadInput, BadModel, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch

CURE = "export the checkpoint again with scripts/export.py"


def onnx_path(folder: Path) -> Path:
    """The `model.onnx` of a model folder; raises `BadModel` if there is none."""
    path = folder / ONNX
    if not path.is_file():
        raise BadModel(f"no {ONNX} in {folder}: {CURE}")
    return path


def unreadable(path: Path, error: Exception) -> BadModel:
    """The error for a network that an engine cannot read."""
    reason = str(error).strip().splitlines()
    return BadModel(
        f"{path} is no network that can be run ({reason[-1] if reason else error!r}): {CURE}"
    )


def check_contract(path: Path, inputs: list[str], outputs: list[str]) -> None:
    """A network takes one uint8 tensor and gives one; `inputs` and `outputs` are their types."""
    if [t.lower() for t in inputs + outputs] != ["uint8", "uint8"]:
        got = f"inputs {inputs} and outputs {outputs}"
        raise BadModel(
            f"{path} has {got}; wanted one uint8 image batch in, one uint8 label map out: {CURE}"
        )


def check_precision(backend: str, precision: str, known: tuple[str, ...]) -> None:
    """Raise `UnknownName` unless `precision` is "auto" or one of `known`."""
    if precision not in ("auto", *known):
        raise UnknownName(unknown(f"backend {backend}'s precisions", precision, ["auto", *known]))


def check_images(images: ImageBatch, wanted: tuple[int, ...]) -> None:
    """Raise `BadInput` unless `images` are uint8 of the shape `wanted`."""
    if images.shape != wanted or images.dtype.name != "uint8":
        got = f"{images.dtype} {images.shape}"
        raise BadInput(f"got images {got}; wanted uint8 {wanted}: lanes.resize brings them there")


def check_room(in_flight: int, depth: int) -> None:
    """Raise `BackendError` if `depth` batches are in flight already."""
    if in_flight >= depth:
        raise BackendError(f"{in_flight} batches in flight, at most {depth}: take a result first")
