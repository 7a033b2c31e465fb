"""How many labels half precision changes, measured on any CPU.

On a CPU, ONNX Runtime computes a half graph in fp32 and rounds only the weights: it casts around
each layer and removes adjacent casts (1.32). So this module writes the rounding into the graph,
layer by layer, where it cannot be removed. The result matches a GPU that accumulates in fp32 and
stores half; one that also accumulates in half loses a little more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, helper

from lanes import card as cards
from lanes.backends import _float16_graph as half
from lanes.backends._float16_graph import FLOAT, HALF
from lanes.card import ONNX
from lanes.errors import BackendError
from lanes.types import ImageBatch, LabelBatch

LARGEST_COST = 0.005
"""Share of the labels that half may change: the whole tolerance of a TensorRT engine."""
Where: TypeAlias = NDArray[np.bool_]
"""(n, H, W): the pixels that count."""
FATAL = 4
"""Log only fatal messages: all others are raised as well."""


def keep_layers(
    folder: Path,
    images: Sequence[ImageBatch],
    keep: Collection[str] = (),
    where: Where | None = None,
) -> float:
    """Record in a model's card that half keeps the nodes `keep` in fp32.

    Returns the share of the labels of `images` that half still changes, among the pixels `where`
    (default: all).

    Raises:
        BackendError: it is above `LARGEST_COST`; the message says which node to keep.
        BadModel: the network is missing or cannot be read.
        BadOutput: the card cannot be written.
        UnknownName: a name in `keep` is not a node.
    """
    card = cards.read(folder)
    changed = check(half.read(folder / ONNX), images, keep, where)
    replace(card, half_keep=tuple(keep)).write(folder)
    return changed


def check(
    model: ModelProto,
    images: Sequence[ImageBatch],
    keep: Collection[str] = (),
    where: Where | None = None,
) -> float:
    """The `cost` of half; raises `BackendError`, with a cure, if it is above `LARGEST_COST`."""
    changed = cost(model, images, keep, where)
    if changed > LARGEST_COST:
        name, alone = dearest(model, images[:1], keep)
        raise BackendError(
            f"half precision changes {changed:.2%} of the labels, wanted at most "
            f"{LARGEST_COST:.1%}; {name} is the most costly layer ({alone:.2%} alone): keep it in "
            f"fp32 with --keep {' '.join((*keep, name))}, or export with --precision fp32"
        )
    return changed


def cost(
    model: ModelProto,
    images: Sequence[ImageBatch],
    keep: Collection[str] = (),
    where: Where | None = None,
) -> float:
    """Share of the labels of `images` that half changes, 0..1; the nodes `keep` stay in fp32.

    It counts the pixels `where` (default: all).
    """
    typed = rounded(half.to_half(model, keep))
    return _changed(labels(model, images), labels(typed, images), where)


def dearest(
    model: ModelProto, images: Sequence[ImageBatch], keep: Collection[str] = ()
) -> tuple[str, float]:
    """The node that changes the most labels when it alone is in half, and their share, 0..1.

    Tries every node not in `keep`: one run per layer.
    """
    names = half.half_nodes(half.to_half(model, keep))
    wanted = labels(model, images)
    costs = {}
    for name in names:
        alone = half.to_half(model, {*names, *keep} - {name})
        costs[name] = _changed(wanted, labels(rounded(alone), images))
    name = max(costs, key=lambda name: costs[name])
    return name, costs[name]


def rounded(typed: ModelProto) -> ModelProto:
    """The output of `half.to_half` in fp32, with each half tensor rounded where it is produced."""
    model = ModelProto()
    model.CopyFrom(typed)
    halves = half.half_tensors(typed)
    for tensor in model.graph.initializer:
        half.retype_constant(tensor, FLOAT)
    del model.graph.node[:], model.graph.value_info[:]
    for source in typed.graph.node:
        node = model.graph.node.add()
        node.CopyFrom(source)
        half.retype_cast(node, FLOAT)
        for index, name in enumerate(source.output):
            if name in halves:
                exact, stored = f"{name}_exact", f"{name}_stored"
                node.output[index] = exact
                cast = helper.make_node("Cast", [exact], [stored], to=HALF)
                back = helper.make_node("Cast", [stored], [name], to=FLOAT)
                model.graph.node.extend([cast, back])
    return model


def labels(model: ModelProto, images: Sequence[ImageBatch]) -> LabelBatch:
    """The labels (n, H, W) of `images`, n times (1, H, W, 3), by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image})[0] for image in images])


def _changed(wanted: LabelBatch, got: LabelBatch, where: Where | None = None) -> float:
    differs = wanted != got
    if where is not None:
        differs = differs[where]
    return float(np.mean(differs)) if differs.size else 0.0
