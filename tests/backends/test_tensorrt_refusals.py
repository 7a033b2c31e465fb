"""Engines with different labels, or layers that are not half, are rejected and not cached."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fake_gpu import inspected
from lanes import backends
from lanes import card as cards
from lanes.errors import BackendError
from model_folders import SIZE, card_of, grey, labels_of

pytest_plugins = ["rtx_backend"]
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


def test_an_engine_with_other_labels_is_refused_and_not_kept(
    tensorrt, folder, engines, builds, cuda
):
    tensorrt.label = lambda images: 2 - labels_of(images)
    with pytest.raises(BackendError) as error:
        backends.load("tensorrt", folder, "fp32")
    message = str(error.value)
    assert "tensorrt fp32 agrees with ONNX Runtime on" in message
    assert "wanted 99.5%: the engine is rejected. Use backend onnxruntime" in message
    assert not cuda.memory_blocks
    assert not engines()
    tensorrt.label = labels_of
    backends.load("tensorrt", folder, "fp32").close()
    assert len(builds) == 2


def convolution(folder, weight=0.01):
    """A folder with a model of one convolution, whose logits reach 390 times its `weight`."""
    height, width = SIZE
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weight", "bias"], ["logits"], name="classify"),
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["whole"], ["labels"], to=TensorProto.UINT8),
    ]
    rows = np.array([[0.0], [1.0], [2.0]], np.float32) * weight / 3
    bias = np.array([0.0, -40.0, -120.0], np.float32) * weight
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, (1, height, width, 3))],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, (1, height, width))],
        [
            onnx.numpy_helper.from_array(rows.repeat(3, 1)[..., None, None], "weight"),
            onnx.numpy_helper.from_array(bias, "bias"),
        ],
    )
    folder.mkdir()
    card_of(name=folder.name).write(folder)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "model.onnx")
    return folder


def onnx_labels(folder):
    """A function that labels with ONNX Runtime."""
    reference = backends.load("onnxruntime", folder, "fp32")
    return lambda images: reference(images.copy())


@pytest.mark.parametrize(("weight", "blamed"), [(0.01, True), (400.0, False)])
def test_a_refusal_in_half_names_the_layer_to_keep(
    tensorrt, tmp_path, engine_cache, weight, blamed
):
    model = convolution(tmp_path / "conv", weight)  # 390 * 400 exceeds half's range
    tensorrt.label = lambda images: 0 * labels_of(images)
    with pytest.raises(BackendError) as error:
        backends.load("tensorrt", model)
    message = str(error.value)
    assert "classify is the most costly layer" in message
    assert f"lanes half {model} --keep classify" in message
    assert ("so the rest comes from TensorRT's kernels" in message) is blamed


def test_a_few_other_labels_are_no_reason(tensorrt, tmp_path, engine_cache):
    model = convolution(tmp_path / "conv")
    right = onnx_labels(model)

    def nearly(images):
        labels = right(images)
        labels[:, 0, :24] = 2 - labels[:, 0, :24]  # 24 of 6144: 0.4 %
        return labels

    tensorrt.label = nearly
    backends.load("tensorrt", model).close()


def test_layers_that_are_not_half_are_refused(tensorrt, tmp_path, engines, cuda):
    model = convolution(tmp_path / "conv")
    tensorrt.label = onnx_labels(model)
    tensorrt.information = inspected("half", "float")
    with pytest.raises(BackendError, match=r"1 layers in fp32 instead of half \(conv 1\)"):
        backends.load("tensorrt", model)
    assert not engines()
    assert not cuda.memory_blocks
    # Now one layer must be in fp32.
    replace(cards.read(model), half_keep=("classify",)).write(model)
    backends.load("tensorrt", model).close()
    backends.load("tensorrt", model, "fp32").close()


def test_layer_types_from_the_inspector(ours):
    types = ours.check.layer_types(inspected("half", "half", "float", "unknown"))
    assert (types.half, types.fp32, types.unknown) == (2, ("conv 2",), 1)
    assert str(types) == "2 layers with weights in half, 1 in fp32, 1 of unknown type"
    in_words = {"Name": "c", "LayerType": "correlation", "Weights": {"Type": "Half"}}
    means = {"Name": "m", "LayerType": "Constant", "Weights": {"Type": "Float", "Count": 3}}
    short = {"Name": "d", "LayerType": "gemm", "Inputs": [{"Format/Datatype": "Float"}]}
    types = ours.check.layer_types(json.dumps({"Layers": [in_words, means, short, "a name"]}))
    assert (types.half, types.fp32, types.unknown) == (1, ("d",), 0)
    for strange in ("", "not json", "[]", '{"Layers": ["conv 1"]}'):
        assert ours.check.layer_types(strange) == ours.check.LayerTypes(0, (), 0)
