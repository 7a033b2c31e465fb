"""Whether a new engine is what was asked for: layers in half, labels as ONNX Runtime's.

An engine that merely runs is not yet right: half can overflow or lose what tells classes apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lanes import card as cards
from lanes import plugins
from lanes.datasets import _samples as drawn
from lanes.errors import BackendError
from lanes.types import Backend, ImageBatch, LabelBatch

PARITY = 0.995
"""The least share of labels on which an engine must agree with ONNX Runtime in fp32."""
WEIGHTED = re.compile(r"conv|correlation|gemm|matrixmultiply", re.IGNORECASE)
"""Kinds of the engine's layers that multiply by weights, which is nearly all of the work."""
HALF, FLOAT = re.compile(r"half|fp16", re.IGNORECASE), re.compile(r"float|fp32", re.IGNORECASE)


@dataclass(frozen=True)
class LayerTypes:
    """What the engine inspector tells of the layers that multiply by weights.

    `half` counts those in half; `fp32` names those that touch nothing but fp32; `untold` counts
    those whose types it does not tell.
    """

    half: int
    fp32: tuple[str, ...]
    untold: int

    def __str__(self) -> str:
        untold = f", {self.untold} not told" if self.untold else ""
        return f"{self.half} layers with weights in half, {len(self.fp32)} in fp32{untold}"


def layer_types(information: str) -> LayerTypes:
    """Read what the engine inspector says as JSON of an engine built with detailed verbosity."""
    half, fp32, untold = 0, [], 0
    for layer in _layers(information):
        told = " ".join(_types(layer))
        if HALF.search(told):
            half += 1
        elif FLOAT.search(told):
            fp32.append(str(layer.get("Name", "?")))
        else:
            untold += 1
    return LayerTypes(half, tuple(fp32), untold)


def _layers(information: str) -> Iterator[dict[str, Any]]:
    try:
        layers = json.loads(information)["Layers"]
    except (ValueError, LookupError, TypeError):  # the format is no part of TensorRT's promises
        return
    for layer in layers:
        # Constants have weights too, such as the means of the normalisation.
        if isinstance(layer, dict) and WEIGHTED.search(_kind(layer)):
            yield layer


def _kind(layer: dict[str, Any]) -> str:
    return f"{layer.get('LayerType', '')} {layer.get('ParameterType', '')}"


def _types(layer: dict[str, Any]) -> list[str]:
    """The types of a layer's weights and tensors, in the inspector's words."""
    weights = layer.get("Weights", {})
    if isinstance(weights, dict) and "Type" in weights:
        return [str(weights["Type"])]
    tensors = [*layer.get("Inputs", []), *layer.get("Outputs", [])]
    return [str(t.get("Format/Datatype", "")) for t in tensors if isinstance(t, dict)]


def check_layers(types: LayerTypes, float_layers: int) -> None:
    """Raise `BackendError` if more layers are in fp32 than the `float_layers` of the network."""
    if len(types.fp32) > float_layers:
        named = ", ".join(types.fp32)
        raise BackendError(
            f"tensorrt built {len(types.fp32)} layers in fp32 instead of half ({named}): the "
            "engine is refused; use precision fp32, and tell us your GPU and TensorRT's version"
        )


def check_parity(backend: Backend, folder: Path) -> float:
    """The share of labels on which `backend` and ONNX Runtime agree, on frames of the task.

    Raises:
        BackendError: it is below `PARITY`; the message says which layer to keep in fp32.
    """
    share = parity(backend, folder)
    if share < PARITY:
        raise BackendError(
            f"tensorrt {backend.precision} agrees with ONNX Runtime on {share:.2%} of the labels "
            f"of {folder}, wanted {PARITY:.1%}: the engine is refused. {_cure(backend, folder)}"
        )
    return share


def parity(backend: Backend, folder: Path) -> float:
    """The share of labels, 0..1, on which `backend` and ONNX Runtime agree on drawn frames."""
    images = drawn.images(cards.read(folder))
    wanted = _wanted(folder, images)
    return float(np.mean(np.stack([backend(image)[0] for image in images]) == wanted))


def _wanted(folder: Path, images: list[ImageBatch]) -> LabelBatch:
    reference = plugins.load("backends", "onnxruntime").load(folder, "fp32")
    with closing(reference):
        return np.stack([reference(image)[0] for image in images])


def _cure(backend: Backend, folder: Path) -> str:
    """What to do about too many other labels, by what half costs with no TensorRT involved."""
    if backend.precision != "fp16":
        return "Use backend onnxruntime, and tell us your GPU and TensorRT's version"
    from lanes.backends import (
        _float16_accuracy as half_accuracy,  # onnx is there: the engine was built with it
    )
    from lanes.backends import _float16_graph as half

    card = cards.read(folder)
    model, images, keep = half.read(folder / cards.ONNX), drawn.images(card), card.half_keep
    whole = half_accuracy.cost(model, images, keep)
    name, alone = half_accuracy.dearest(model, images[:1], keep)
    blame = "" if whole > 1 - PARITY else ", so the rest is by TensorRT's kernels"
    return (
        f"Rounding to half by itself changes {whole:.2%} of them{blame}; of all layers {name} "
        f"costs most ({alone:.2%} alone). Keep it in fp32: lanes half "
        f"{folder} --keep {' '.join((*keep, name))}; or use precision fp32"
    )
