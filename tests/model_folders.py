"""Makes model folders whose labels a test knows in advance, with ONNX alone: no torch, quick."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lanes import tasks
from lanes.card import ModelCard
from lanes.resize import Resize

SIZE = (64, 96)
FIRST, SECOND = 85, 170


def labels_of(images):
    """What the model says: the grey value's class, 0 < 85 <= 1 < 170 <= 2."""
    grey = images.mean(-1)
    return (grey >= FIRST).astype(np.uint8) + (grey >= SECOND)


def grey(values, size=SIZE):
    """An image (H, W, 3) whose columns go through `values` from left to right."""
    columns = np.repeat(np.asarray(values, np.uint8), -(-size[1] // len(values)))[: size[1]]
    return np.broadcast_to(columns[None, :, None], (*size, 3)).copy()


def card_of(size=SIZE, **changes):
    values = {
        "name": "thresholds",
        "task": "lanes",
        "architecture": "thresholds",
        "resize": Resize(size),
        "classes": tasks.load("lanes").class_names,
        "parameters": 2,
        "gflop": 0.1,
        "terms": "none",
    }
    return ModelCard(**{**values, **changes})


def write_network(path, size=SIZE, kind=TensorProto.UINT8, outputs=1):
    """Write the thresholds as an ONNX file; `kind` is the type of input and outputs."""
    names = ["labels", "more"][:outputs]
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["grey"], keepdims=0),
        helper.make_node("GreaterOrEqual", ["grey", "first"], ["one"]),
        helper.make_node("GreaterOrEqual", ["grey", "second"], ["two"]),
        helper.make_node("Cast", ["one"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["two"], ["twos"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["ones", "twos"], ["sum"]),
        *(helper.make_node("Cast", ["sum"], [name], to=kind) for name in names),
    ]
    graph = helper.make_graph(
        nodes,
        "thresholds",
        [helper.make_tensor_value_info("images", kind, (1, *size, 3))],
        [helper.make_tensor_value_info(name, kind, (1, *size)) for name in names],
        [
            numpy_helper.from_array(np.array([-1], np.int64), "axes"),
            numpy_helper.from_array(np.array(FIRST, np.float32), "first"),
            numpy_helper.from_array(np.array(SECOND, np.float32), "second"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def make_model(folder, size=SIZE):
    """Write card.json and model.onnx into `folder`; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    card_of(size, name=folder.name).write(folder)
    write_network(folder / "model.onnx", size)
    return folder
