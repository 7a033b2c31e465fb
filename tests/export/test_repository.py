"""The model repository for Triton: its files, and when it may batch images."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from lanes import card as cards
from lanes.errors import BadInput, BadModel, BadOutput, MissingDependency, UnknownName
from lanes.export import repository
from model_folders import SIZE, card_of, grey, labels_of, make_model


def make_comparing(folder):
    """A model whose threshold is the mean of all images that it gets at once."""
    folder.mkdir()
    card_of(name=folder.name).write(folder)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=1),
        helper.make_node("ReduceMax", ["float", "axes"], ["grey"], keepdims=0),
        helper.make_node("Squeeze", ["mean", "axes"], ["threshold"]),
        helper.make_node("GreaterOrEqual", ["grey", "threshold"], ["above"]),
        helper.make_node("Cast", ["above"], ["labels"], to=TensorProto.UINT8),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, (1, *SIZE, 3))
    labels = helper.make_tensor_value_info("labels", TensorProto.UINT8, (1, *SIZE))
    axes = onnx.numpy_helper.from_array(np.array([-1], np.int64), "axes")
    graph = helper.make_graph(nodes, "comparing", [images], [labels], [axes])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")
    return folder


def test_files_and_configuration(tmp_path, model_folder):
    written = repository.write(model_folder, tmp_path, instances=2)
    assert written.folder == tmp_path / "thresholds"
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [path.as_posix() for path in files] == [
        "thresholds/1/model.onnx",
        "thresholds/config.pbtxt",
    ]
    text = (written.folder / "config.pbtxt").read_text()
    for line in (
        'name: "thresholds"',
        'platform: "onnxruntime_onnx"',
        "max_batch_size: 8",
        'input [{ name: "images" data_type: TYPE_UINT8 dims: [64, 96, 3] }]',
        'output [{ name: "labels" data_type: TYPE_UINT8 dims: [64, 96] }]',
        "instance_group [{ count: 2 kind: KIND_CPU }]",
        "dynamic_batching { max_queue_delay_microseconds: 2000 }",
    ):
        assert line in text.splitlines()


def test_the_network_takes_batches(tmp_path, trained_folder):
    network = repository.write(trained_folder, tmp_path).folder / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(str(network))
    images = np.stack([grey([10, 100]), grey([100, 200]), grey([200, 10])])
    found = session.run(None, {session.get_inputs()[0].name: images})[0]
    np.testing.assert_array_equal(found, labels_of(images))


def test_a_network_that_compares_images_takes_them_singly(tmp_path):
    folder = make_comparing(tmp_path / "comparing")
    written = repository.write(folder, tmp_path / "served")
    assert written.batch == 0
    assert "one image at a time" in written.batching
    text = (written.folder / "config.pbtxt").read_text()
    assert "dims: [1, 64, 96, 3]" in text
    assert "dynamic_batching" not in text
    network = (written.folder / "1" / "model.onnx").read_bytes()
    assert network == (folder / "model.onnx").read_bytes()


def test_python_backend(tmp_path, model_folder):
    folder = repository.write(model_folder, tmp_path, "python").folder
    assert 'backend: "python"' in (folder / "config.pbtxt").read_text()
    assert "class TritonPythonModel" in (folder / "1" / "model.py").read_text()


def test_nothing_is_replaced(tmp_path, model_folder):
    (tmp_path / "thresholds").mkdir()
    with pytest.raises(BadOutput, match="thresholds exists"):
        repository.write(model_folder, tmp_path)
    assert not list((tmp_path / "thresholds").iterdir())


def test_wrong_options_write_nothing(tmp_path, model_folder):
    with pytest.raises(UnknownName, match="did you mean 'onnxruntime'"):
        repository.write(model_folder, tmp_path, "onnxruntim")
    with pytest.raises(BadInput, match="--instances 0: wanted 1 or more"):
        repository.write(model_folder, tmp_path, instances=0)
    broken = make_model(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"hello")
    with pytest.raises(BadModel, match="cannot read"):
        repository.write(broken, tmp_path / "served")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_without_onnx(tmp_path, model_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependency, match="a model repository needs 'onnx'"):
        repository.write(model_folder, tmp_path)


def test_the_cached_repository_is_written_once(model_folder):
    root = repository.cached(model_folder, "python", 1)
    network = root / "thresholds" / "1" / "model.onnx"
    before = network.stat().st_mtime_ns
    assert repository.cached(model_folder, "python", 1) == root
    assert network.stat().st_mtime_ns == before
    assert repository.cached(model_folder, "python", 2) != root
    assert cards.read(model_folder).name in {path.name for path in root.iterdir()}
