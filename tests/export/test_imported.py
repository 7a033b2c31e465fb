"""Somebody else's network becomes a model folder that labels as the network does."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

import lanes
from lanes import backends, card
from lanes.cli.main import run
from lanes.errors import BadConfig, BadModel, BadOutput, UnknownName
from lanes.export.imported import Wrapping, import_model

SIZE = (32, 48)
RED_GREEN = (("background", "drivable"), ("background", "lane line"))
"""Of the network below: drivable is where it is red, lane line where it is green."""


def network(path, size=SIZE, heads=2, channels=2, stride=1, dynamic=False, opset=13):
    """Heads of two scores: that of the first is red - 0.5, that of the second is green - 0.5."""
    shape = (1, 3, "h", "w") if dynamic else (1, 3, *size)
    out = (1, channels, *(n // stride for n in size)) if not dynamic else (1, channels, "h", "w")
    nodes, constants, outputs = [], [], []
    for head in range(heads):
        weights = np.zeros((channels, 3, 1, 1), np.float32)
        weights[-1, head] = 1
        bias = np.zeros(channels, np.float32)
        bias[0 if channels > 1 else -1] = 0.5 if channels > 1 else 0
        constants += [
            numpy_helper.from_array(weights, f"w{head}"),
            numpy_helper.from_array(bias, f"b{head}"),
        ]
        nodes.append(
            helper.make_node(
                "Conv", ["images", f"w{head}", f"b{head}"], [f"labels{head}"], strides=[stride] * 2
            )
        )
        outputs.append(helper.make_tensor_value_info(f"labels{head}", TensorProto.FLOAT, out))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "theirs", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def picture():
    """Quarters of black, red, green, and yellow (both): BGR."""
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[:, 12:24, 2] = picture[:, 36:, 2] = 200
    picture[:, 24:, 1] = 200
    return picture


QUARTERS = np.repeat(np.array([0, 1, 2, 2], np.uint8), 12)[None].repeat(32, 0)
USUAL = Wrapping("lanes", RED_GREEN, scale=1 / 255)


def labels_of(folder, picture, backend="onnxruntime"):
    with closing(backends.load(backend, folder, "fp32")) as loaded:
        return loaded(picture[None])[0]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_last_head_that_is_not_background_counts(backend, picture, tmp_path):
    import_model(network(tmp_path / "a.onnx"), tmp_path / "m", USUAL)
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture, backend), QUARTERS)


def test_its_card(tmp_path):
    wrapping = Wrapping("lanes", RED_GREEN, scale=1 / 255, terms="MIT")
    found = import_model(network(tmp_path / "a.onnx"), tmp_path / "m", wrapping)
    assert found == card.read(tmp_path / "m")
    assert (found.name, found.task, found.terms) == ("m", "lanes", "MIT")
    assert (found.resize.size, found.parameters) == (SIZE, 2 * (6 + 2))
    assert found.gflop == round(2 * 2 * 6 * 32 * 48 / 1e9, 4)
    assert found.architecture == "imported from a.onnx"


def test_the_order_of_colours(picture, tmp_path):
    bgr = Wrapping("lanes", RED_GREEN, order="bgr", scale=1 / 255)
    import_model(network(tmp_path / "a.onnx"), tmp_path / "m", bgr)
    # Its first channel is now blue, of which there is nothing.
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture), QUARTERS * (QUARTERS == 2))


@pytest.mark.parametrize(
    ("scale", "mean", "std"),
    [(1.0, (0.0,), (255.0,)), (1 / 255, (0.1,), (0.5,)), (1.0, (0.0, 220.0, 0.0), (255.0,) * 3)],
)
def test_scale_mean_and_deviation(scale, mean, std, picture, tmp_path):
    wrapping = Wrapping("lanes", RED_GREEN, scale=scale, mean=mean, std=std)
    import_model(network(tmp_path / "a.onnx"), tmp_path / "m", wrapping)
    red, green = (
        (picture[..., c] * scale - np.resize(mean, 3)[n]) / np.resize(std, 3)[n] > 0.5
        for n, c in enumerate((2, 1))
    )
    wanted = np.where(green, 2, np.where(red, 1, 0))
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture), wanted)


def test_padding_is_around_the_image_and_cut_off_again(picture, tmp_path):
    wide = network(tmp_path / "a.onnx", (SIZE[0] + 8, SIZE[1] + 4))
    found = import_model(
        wide, tmp_path / "m", Wrapping("lanes", RED_GREEN, scale=1 / 255, pad=(3, 5, 4, 0))
    )
    assert found.resize.size == SIZE
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture), QUARTERS)


def test_smaller_scores_are_enlarged(picture, tmp_path):
    import_model(network(tmp_path / "a.onnx", stride=4), tmp_path / "m", USUAL)
    found = labels_of(tmp_path / "m", picture)
    assert found.shape == SIZE
    assert (found == QUARTERS).mean() > 0.9


def test_a_head_of_one_channel(picture, tmp_path):
    one = network(tmp_path / "a.onnx", heads=1, channels=1)
    wrapping = Wrapping("lanes", (("background", "drivable"),), scale=1 / 255, threshold=0.7)
    import_model(one, tmp_path / "m", wrapping)
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture), picture[..., 2] == 200)


def test_a_network_of_any_size(picture, tmp_path):
    any_size = network(tmp_path / "a.onnx", dynamic=True)
    with pytest.raises(BadConfig, match="--size 640x360"):
        import_model(any_size, tmp_path / "m", USUAL)
    sized = Wrapping("lanes", RED_GREEN, scale=1 / 255, size=SIZE)
    import_model(any_size, tmp_path / "m", sized)
    np.testing.assert_array_equal(labels_of(tmp_path / "m", picture), QUARTERS)


def test_an_openvino_network(picture, tmp_path):
    pytest.importorskip("openvino")
    inner = onnx.load(network(tmp_path / "a.onnx", stride=2))
    nodes = inner.graph.node
    for head in range(2):
        nodes[head].output[0] = f"half{head}"
        nodes.append(helper.make_node("Relu", [f"half{head}"], [f"relu{head}"]))
        enlarge = [f"relu{head}", "", "", "sizes"]
        corners = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
        nodes.append(helper.make_node("Resize", enlarge, [f"up{head}"], **corners))
        nodes.append(helper.make_node("Softmax", [f"up{head}"], [f"labels{head}"], axis=1))
        inner.graph.output[head].type.tensor_type.shape.dim[2].dim_value = SIZE[0]
        inner.graph.output[head].type.tensor_type.shape.dim[3].dim_value = SIZE[1]
    sizes = np.array([1, 2, *SIZE], np.int64)
    inner.graph.initializer.append(numpy_helper.from_array(sizes, "sizes"))
    onnx.save(inner, tmp_path / "b.onnx")
    theirs = openvino.Core().read_model(tmp_path / "b.onnx")
    openvino.save_model(theirs, tmp_path / "b.xml", compress_to_fp16=False)
    import_model(tmp_path / "b.xml", tmp_path / "m", USUAL)
    found = labels_of(tmp_path / "m", picture)
    assert (found == QUARTERS).mean() > 0.9
    (tmp_path / "b.bin").unlink()
    with pytest.raises(BadModel, match=r"\.bin"):
        import_model(tmp_path / "b.xml", tmp_path / "n", USUAL)


def test_an_operation_that_is_not_known_is_named(tmp_path):
    model = onnx.load(network(tmp_path / "a.onnx", heads=1))
    model.graph.node[0].output[0] = "inner"
    model.graph.node.append(helper.make_node("Erf", ["inner"], ["labels0"]))
    onnx.save(model, tmp_path / "a.onnx")
    theirs = openvino.Core().read_model(tmp_path / "a.onnx")
    openvino.save_model(theirs, tmp_path / "a.xml")
    with pytest.raises(BadModel, match="operation Erf.*known: .*Convolution"):
        import_model(tmp_path / "a.xml", tmp_path / "m", Wrapping("lanes", RED_GREEN[:1]))


@pytest.mark.parametrize(
    ("made", "wrapping", "error", "message"),
    [
        ({"opset": 9}, USUAL, BadModel, "opset 9, wanted 11"),
        ({"channels": 3}, USUAL, BadConfig, "3 channels, --classes names 2"),
        ({"heads": 1}, USUAL, BadConfig, "1 outputs.*got 2"),
        ({}, Wrapping("lanes", (("background", "road"),) * 2), UnknownName, "road"),
        ({}, Wrapping("roads", RED_GREEN), UnknownName, "roads"),
        ({}, Wrapping("lanes", RED_GREEN, std=(0.0,)), BadConfig, "above 0"),
        ({}, Wrapping("lanes", RED_GREEN, mean=(0.0, 1.0)), BadConfig, "--mean has 2 numbers"),
        ({}, Wrapping("lanes", RED_GREEN, pad=(16, 16, 0, 0)), BadConfig, "nothing is left"),
        ({}, Wrapping("lanes", RED_GREEN, size=(20, 20)), BadConfig, "the network takes 32"),
    ],
)
def test_what_cannot_be_wrapped(made, wrapping, error, message, tmp_path):
    path = network(tmp_path / "a.onnx", **made)
    with pytest.raises(error, match=message):
        import_model(path, tmp_path / "m", wrapping)
    assert not (tmp_path / "m").exists()


def test_other_files_and_folders(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(BadModel, match="not a valid ONNX file"):
        import_model(tmp_path / "a.onnx", tmp_path / "m", USUAL)
    with pytest.raises(BadModel, match="cannot read"):
        import_model(tmp_path / "none.onnx", tmp_path / "m", USUAL)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    with pytest.raises(BadOutput, match="not a model folder"):
        import_model(network(tmp_path / "b.onnx"), tmp_path / "full", USUAL)


def test_the_command(picture, tmp_path, capsys):
    command = partial(run, "import-model")
    given = [str(network(tmp_path / "a.onnx")), str(tmp_path / "m"), "--scale", "0.00392157"]
    heads = ["--classes", "background,drivable", "--classes", "background, lane line"]
    assert command([*given, *heads, "--terms", "mine"]) == 0
    assert "0.00 M parameters" in capsys.readouterr().out
    with lanes.load(tmp_path / "m", "onnxruntime", "fp32") as model:
        np.testing.assert_array_equal(model(picture).labels, QUARTERS)
    for wrong, message in (
        (["--pad", "1,2"], "--pad '1,2'"),
        (["--mean", "x"], "--mean 'x'"),
        (["--size", "640"], "--size '640'"),
    ):
        assert command([*given, *heads, *wrong]) == 2
        assert message in capsys.readouterr().err
