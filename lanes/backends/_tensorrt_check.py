"""Checks a new engine: layers in half, the same labels as ONNX Runtime.

An engine that runs can still be wrong: half can overflow or lose the difference between classes.
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
"""Minimum share of labels on which an engine must agree with ONNX Runtime in fp32."""
WEIGHTED = re.compile(r"conv|correlation|gemm|matrixmultiply", re.IGNORECASE)
"""Engine layers that multiply by weights: nearly all of the work."""
HALF, FLOAT = re.compile(r"half|fp16", re.IGNORECASE), re.compile(r"float|fp32", re.IGNORECASE)


@dataclass(frozen=True)
class LayerTypes:
    """What the engine inspector reports about the layers that multiply by weights.

    `half` counts those in half; `fp32` names those that use only fp32; `unknown` counts those whose
    types it does not report.
    """

    half: int
    fp32: tuple[str, ...]
    unknown: int

    def __str__(self) -> str:
        unknown = f", {self.unknown} of unknown type" if self.unknown else ""
        return f"{self.half} layers with weights in half, {len(self.fp32)} in fp32{unknown}"


def layer_types(information: str) -> LayerTypes:
    """Parse the engine inspector's JSON; the engine must be built with detailed verbosity."""
    half, fp32, unknown = 0, [], 0
    for layer in _layers(information):
        types = " ".join(_types(layer))
        if HALF.search(types):
            half += 1
        elif FLOAT.search(types):
            fp32.append(str(layer.get("Name", "?")))
        else:
            unknown += 1
    return LayerTypes(half, tuple(fp32), unknown)


def _layers(information: str) -> Iterator[dict[str, Any]]:
    try:
        layers = json.loads(information)["Layers"]
    except (ValueError, LookupError, TypeError):  # TensorRT does not guarantee the format
        return
    for layer in layers:
        # Constants have weights too, for example the normalisation's means.
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
            "engine is rejected; use precision fp32, and report your GPU and TensorRT version"
        )


def check_parity(backend: Backend, folder: Path) -> float:
    """The share of labels on which `backend` and ONNX Runtime agree, on synthetic frames.

    Raises:
        BackendError: it is below `PARITY`; the message says which layer to keep in fp32.
    """
    share = parity(backend, folder)
    if share < PARITY:
        raise BackendError(
            f"tensorrt {backend.precision} agrees with ONNX Runtime on {share:.2%} of the labels "
            f"of {folder}, wanted {PARITY:.1%}: the engine is rejected. {_cure(backend, folder)}"
        )
    return share


def parity(backend: Backend, folder: Path) -> float:
    """The share of labels, 0..1, on which `backend` and ONNX Runtime agree, on synthetic frames."""
    images = drawn.images(cards.read(folder))
    wanted = _wanted(folder, images)
    return float(np.mean(np.stack([backend(image)[0] for image in images]) == wanted))


def _wanted(folder: Path, images: list[ImageBatch]) -> LabelBatch:
    reference = plugins.load("backends", "onnxruntime").load(folder, "fp32")
    with closing(reference):
        return np.stack([reference(image)[0] for image in images])


def _cure(backend: Backend, folder: Path) -> str:
    """The cure for too many different labels; measures the cost of half without TensorRT."""
    if backend.precision != "fp16":
        return "Use backend onnxruntime, and report your GPU and TensorRT version"
    # onnx is installed: the build needed it.
    from lanes.backends import _float16_accuracy as half_accuracy
    from lanes.backends import _float16_graph as half

    card = cards.read(folder)
    model, images, keep = half.read(folder / cards.ONNX), drawn.images(card), card.half_keep
    whole = half_accuracy.cost(model, images, keep)
    name, alone = half_accuracy.dearest(model, images[:1], keep)
    blame = "" if whole > 1 - PARITY else ", so the rest comes from TensorRT's kernels"
    return (
        f"Rounding to half alone changes {whole:.2%} of them{blame}; {name} is the most costly "
        f"layer ({alone:.2%} alone). Keep it in fp32: lanes half "
        f"{folder} --keep {' '.join((*keep, name))}; or use precision fp32"
    )
