"""Makes model folders whose labels a test knows in advance, with ONNX alone: no torch, quick.

Both models label by grey value. `make_model` is a network that no file of lanes/models describes;
`make_trained` is one as training and export leave it, of lanes/models/naive.py.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lanes import tasks
from lanes.card import ModelCard
from lanes.images.resize import Resize

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


def make_model(folder, size=SIZE, task="lanes", classes=None):
    """Write card.json and model.onnx into `folder`; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = classes or tasks.load(task).class_names
    card_of(size, name=folder.name, task=task, classes=classes).write(folder)
    write_network(folder / "model.onnx", size)
    return folder


def make_counter(folder, task, size=SIZE):
    """A model folder of `task` that labels by grey value, in tiles."""
    folder.mkdir()
    classes = tasks.load(task).class_names
    resize = Resize(size, mode="tile")
    card_of(name=folder.name, task=task, classes=classes, resize=resize).write(folder)
    write_network(folder / "model.onnx", size)
    return folder


TRAINING = {
    "config": {
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "logit_bias": [],
        "model_options": {"channels": 1, "layers": 1},
    }
}


def write_trained(path, size=SIZE):
    """Write the network that `TRAINING` describes, with the names that torch's exporter gives.

    The first convolution passes the grey value on, and 2 more; the second makes logits of it that
    cross half a grey below each threshold. Around there all numbers are exact in bf16.
    """
    passing = np.zeros((1, 3, 3, 3), np.float32)
    passing[0, 1, 1, 1] = 1  # the middle of the green channel
    values = {
        "network.mean": np.zeros(3, np.float32),
        "network.std": np.ones(3, np.float32),
        "network.model.body.0.0.weight": passing,
        "network.model.body.0.0.weight_bias": np.array([2], np.float32),
        "network.model.classify.weight": np.array([0, 1, 2], np.float32).reshape(3, 1, 1, 1),
        "network.model.classify.bias": np.array([0, -FIRST - 1.5, -FIRST - SECOND - 3], np.float32),
    }
    weights = list(values)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "network.mean"], ["sub"]),
        helper.make_node("Div", ["sub", "network.std"], ["div"]),
        helper.make_node("Transpose", ["div"], ["permute"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["permute", *weights[2:4]], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Conv", ["relu", *weights[4:6]], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["argmax"], axis=1, keepdims=0),
        helper.make_node("Cast", ["argmax"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["as_float"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "naive",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, (1, *size, 3))],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, (1, *size))],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def make_trained(folder, size=SIZE, **changes):
    """Write card.json and model.onnx of a trained `naive` into `folder`; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    # Three classes, as models have that were made before the task's fourth.
    classes = tasks.load("lanes").class_names[:3]
    values = {"architecture": "naive", "training": TRAINING, "classes": classes, **changes}
    card_of(size, name=folder.name, **values).write(folder)
    write_trained(folder / "model.onnx", size)
    return folder
