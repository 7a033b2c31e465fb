"""Networks in half: the right types, few casts, and unchanged labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lanes import assets, card
from lanes.backends import _float16_accuracy as half_accuracy
from lanes.backends import _float16_graph as half
from lanes.cli.main import run
from lanes.datasets import _samples as drawn
from lanes.errors import BackendError, BadModel, UnknownName
from model_folders import card_of, make_model, make_trained

SIZE = (8, 12)
FLOAT, HALF, UINT8, INT64 = (
    getattr(TensorProto, name) for name in ("FLOAT", "FLOAT16", "UINT8", "INT64")
)


def network(nodes, constants=(), name="network"):
    """A model of `nodes`, from uint8 "images" (1, 8, 12, 3) to uint8 "labels" (1, 8, 12)."""
    height, width = SIZE
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("images", UINT8, (1, height, width, 3))],
        [helper.make_tensor_value_info("labels", UINT8, (1, height, width))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], name=output, **attributes)


BEGIN = (
    node("Cast", "images", "pixels", to=FLOAT),
    node("Sub", "pixels mean", "centred"),
    node("Div", "centred std", "normal"),
    node("Transpose", "normal", "planes", perm=[0, 3, 1, 2]),
)
END = (
    node("ArgMax", "logits", "best", axis=1, keepdims=0),
    node("Cast", "best", "whole", to=FLOAT),
    node("Cast", "whole", "labels", to=UINT8),
)
STATISTICS = (("mean", np.float32([103.53, 116.28, 123.68])), ("std", np.float32([57, 57, 58])))


def weights(name, out, given, size=1, scale=1.0):
    random = np.random.default_rng(len(name))
    return name, random.normal(0, scale, (out, given, size, size)).astype(np.float32)


def small(*middle, constants=()):
    """A network whose `middle` turns "features" into "logits" (1, 4, 8, 12)."""
    return network(
        [*BEGIN, node("Conv", "planes first", "features"), *middle, *END],
        [*STATISTICS, weights("first", 4, 3), weights("last", 3, 4), *constants],
    )


CLASSIFY = node("Conv", "features last", "logits")


def types(model):
    """The element type of every tensor except constants."""
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    return {
        value.name: value.type.tensor_type.elem_type
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }


def images(count=2, seed=0):
    random = np.random.default_rng(seed)
    return list(random.integers(0, 256, (count, 1, *SIZE, 3)).astype(np.uint8))


def test_uint8_outside_fp32_where_it_matters_half_inside():
    typed = half.to_half(small(CLASSIFY))
    tensors = types(typed)
    assert tensors["images"] == tensors["labels"] == UINT8
    assert {tensors[name] for name in ("pixels", "centred", "normal", "whole")} == {FLOAT}
    assert {tensors[name] for name in ("planes", "features", "logits")} == {HALF}
    assert half.half_nodes(typed) == ["planes", "features", "logits"]
    assert half.half_nodes(small(CLASSIFY)) == []


def test_the_constants_are_half_too_and_none_is_left_over():
    typed = half.to_half(small(CLASSIFY))
    kinds = {tensor.name: tensor.data_type for tensor in typed.graph.initializer}
    assert kinds == {"mean": FLOAT, "std": FLOAT, "first_in_half": HALF, "last_in_half": HALF}


def test_a_cast_stands_only_where_types_meet():
    typed = half.to_half(small(CLASSIFY))
    casts = [n.name for n in typed.graph.node if n.op_type == "Cast"]
    assert casts == ["pixels", "cast_normal_in_half", "cast_logits_in_float", "whole", "labels"]


def test_one_cast_serves_all_users():
    """Both means read the same half tensor; their consumers are half again."""
    model = small(
        node("ReduceMean", "features over", "one", keepdims=1),
        node("ReduceMax", "features over", "two", keepdims=1),
        node("ReduceSum", "features over", "three", keepdims=1),
        node("Add", "one two", "some"),
        node("Add", "some three", "all"),
        node("Add", "features all", "more"),
        node("Conv", "more last", "logits"),
        constants=[("over", np.int64([2, 3]))],
    )
    typed = half.to_half(model)
    casts = Counter(n.name for n in typed.graph.node if n.op_type == "Cast")
    assert casts["cast_features_in_float"] == 1
    tensors = types(typed)
    assert (tensors["one"], tensors["two"], tensors["three"]) == (FLOAT, HALF, FLOAT)
    assert tensors["more"] == tensors["logits"] == HALF


@pytest.mark.parametrize("kind", ["Exp", "Softmax", "Sqrt"])
def test_what_loses_accuracy_stays_in_fp32(kind):
    typed = half.to_half(small(node(kind, "features", "less"), node("Conv", "less last", "logits")))
    assert types(typed)["less"] == FLOAT
    assert types(typed)["logits"] == HALF


def test_what_follows_the_last_weights_stays_in_fp32():
    model = small(
        node("Conv", "features last", "small", strides=[2, 2]),
        helper.make_node("Resize", ["small", "", "scales"], ["logits"], "logits", mode="linear"),
        constants=[("scales", np.float32([1, 1, 2, 2]))],
    )
    tensors = types(half.to_half(model))
    assert (tensors["small"], tensors["small_in_float"], tensors["logits"]) == (HALF, FLOAT, FLOAT)


def test_inputs_that_are_always_fp32_stay_so():
    model = small(
        helper.make_node("Resize", ["features", "", "scales"], ["large"], "large", mode="nearest"),
        node("Conv", "large last", "logits", strides=[2, 2]),
        constants=[("scales", np.float32([1, 1, 2, 2]))],
    )
    typed = half.to_half(model)
    assert types(typed)["large"] == HALF
    assert {t.name: t.data_type for t in typed.graph.initializer}["scales"] == FLOAT


def test_a_cast_of_the_network_itself_follows():
    """Max unpooling creates a mask and turns it into numbers."""
    model = small(
        node("Greater", "features zero", "mask"),
        node("Cast", "mask", "ones", to=FLOAT),
        node("Mul", "features ones", "positive"),
        node("Conv", "positive last", "logits"),
        constants=[("zero", np.float32(0))],
    )
    typed = half.to_half(model)
    assert types(typed)["ones"] == HALF
    assert len([n for n in typed.graph.node if n.op_type == "Cast"]) == 6


def test_a_node_that_makes_floats_of_a_shape():
    model = small(
        node("ConstantOfShape", "shape", "zeros"),
        node("Add", "features zeros", "same"),
        node("Conv", "same last", "logits"),
        constants=[("shape", np.int64([1, 4, *SIZE]))],
    )
    tensors = types(half.to_half(model))
    assert (tensors["zeros"], tensors["same"]) == (FLOAT, HALF)


def test_constants_beyond_half_keep_their_layer_in_fp32():
    model = small(
        node("Mul", "features much", "large"),
        node("Mul", "large little", "again"),
        node("Conv", "again last", "logits"),
        constants=[("much", np.float32(1e6)), ("little", np.float32(1e-3))],
    )
    typed = half.to_half(model)
    tensors = types(typed)
    assert (tensors["large"], tensors["again"], tensors["logits"]) == (FLOAT, HALF, HALF)
    runs(typed)


def test_the_caller_may_keep_layers():
    tensors = types(half.to_half(small(CLASSIFY), keep=["features"]))
    assert (tensors["features"], tensors["logits"]) == (FLOAT, HALF)
    with pytest.raises(UnknownName, match="no node 'feature'; it has features, "):
        half.to_half(small(CLASSIFY), keep=["feature"])


def runs(model):
    """The labels of ONNX Runtime, which rejects a graph with mismatched types."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.concatenate([session.run(None, {"images": image})[0] for image in images()])


def test_nodes_without_a_name_are_called_by_their_result():
    model = small(CLASSIFY)
    for each in model.graph.node:
        each.name = ""
    assert "features" in half.half_nodes(half.to_half(model))


def test_a_network_without_weights_stays_as_it_is(tmp_path):
    folder = make_model(tmp_path / "thresholds")
    typed = half.to_half(half.read(folder / "model.onnx"))
    assert half.half_nodes(typed) == []
    assert len(typed.graph.node) == len(onnx.load(folder / "model.onnx").graph.node)


def test_branches_are_refused():
    inner = helper.make_graph(
        [node("Identity", "features", "same")],
        "then",
        [],
        [helper.make_tensor_value_info("same", FLOAT, None)],
    )
    other = helper.make_graph(
        [node("Identity", "features", "other")],
        "else",
        [],
        [helper.make_tensor_value_info("other", FLOAT, None)],
    )
    model = small(
        helper.make_node("If", ["yes"], ["chosen"], then_branch=inner, else_branch=other),
        node("Conv", "chosen last", "logits"),
        constants=[("yes", np.bool_(True))],
    )
    with pytest.raises(BadModel, match="branches or loops"):
        half.to_half(model)


# ------------------------------------------------------------------------------------- files


def test_a_folder_says_which_layers_stay_in_fp32(tmp_path):
    folder = make_trained(tmp_path / "trained")
    assert half.half_nodes(half.of_folder(folder)) == ["permute", "conv", "relu", "logits"]
    replace(card.read(folder), half_keep=("conv", "logits")).write(folder)
    assert half.half_nodes(half.of_folder(folder)) == ["permute", "relu"]


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(BadModel, match="no model.onnx in"):
        half.of_folder(tmp_path)
    for content in (b"hello", b"", b"\xff" * 40):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(BadModel, match=r"onnx cannot read .*export the checkpoint again"):
            half.of_folder(tmp_path)


# ---------------------------------------------------------------------------------- accuracy


def test_every_half_tensor_is_rounded():
    """1000.3 is 1000.5 in half, so that 0.3 becomes 0.5; ONNX Runtime alone would keep 0.3."""
    model = network(
        [
            node("Cast", "images", "pixels", to=FLOAT),
            node("Transpose", "pixels", "planes", perm=[0, 3, 1, 2]),
            node("Conv", "planes red bias", "large"),
            node("Sub", "large thousand", "little"),
            node("Conv", "little two half", "logits"),
            *END,
        ],
        [
            ("red", np.float32([1, 0, 0]).reshape(1, 3, 1, 1)),
            ("bias", np.float32([1000.3])),
            ("thousand", np.float32(1000)),
            ("two", np.float32([0, 1]).reshape(2, 1, 1, 1)),
            ("half", np.float32([0.4, 0])),
        ],
    )
    black = [np.zeros((1, *SIZE, 3), np.uint8)]
    typed = half.to_half(model)
    assert (half_accuracy.labels(model, black) == 0).all()  # 0.4 > 0.3
    assert (half_accuracy.labels(half_accuracy.rounded(typed), black) == 1).all()  # 0.4 < 0.5
    assert half_accuracy.cost(model, black) == 1.0
    # The result of an fp32 layer is rounded where half layers use it.
    assert half_accuracy.cost(model, black, keep=["large"]) == 1.0
    assert half_accuracy.cost(model, black, keep=["large", "little"]) == 0.0


def overflowing():
    """A network whose middle exceeds half's range, and returns into it only in fp32."""
    return small(
        node("Conv", "features much", "large"),
        node("Conv", "large little", "back"),
        node("Conv", "back last", "logits"),
        constants=[
            ("much", 5e4 * np.eye(4, dtype=np.float32)[..., None, None]),
            ("little", 2e-5 * np.eye(4, dtype=np.float32)[..., None, None]),
        ],
    )


def test_the_dearest_layer_is_the_one_that_overflows():
    model = overflowing()
    assert half_accuracy.cost(model, images()) > 0.05
    name, alone = half_accuracy.dearest(model, images())
    assert name == "large"
    assert alone > 0.05
    name, alone = half_accuracy.dearest(model, images(), keep=["large"])
    assert name == "back"  # it takes what overflows, in half
    assert half_accuracy.cost(model, images(), keep=["large", "back"]) <= 0.005


def test_the_card_notes_the_layers_with_which_half_labels_alike(tmp_path):
    card_of(SIZE).write(tmp_path)
    onnx.save(overflowing(), tmp_path / "model.onnx")
    with pytest.raises(BackendError, match=r"half precision changes .*with --keep large"):
        half_accuracy.keep_layers(tmp_path, images())
    with pytest.raises(BackendError, match="with --keep large back"):
        half_accuracy.keep_layers(tmp_path, images(), keep=["large"])
    assert card.read(tmp_path).half_keep == ()
    assert half_accuracy.keep_layers(tmp_path, images(), keep=["large", "back"]) <= 0.005
    assert card.read(tmp_path) == card_of(SIZE, half_keep=("large", "back"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "model.onnx"]


def test_frames_are_drawn_for_the_task_or_at_least_of_roads(monkeypatch):
    drawn_frames = drawn.frames("lanes", 2)
    assert len(drawn_frames) == 2
    assert drawn_frames[0].dtype == np.uint8
    np.testing.assert_array_equal(drawn.frames("road_scene", 2)[1], drawn_frames[1])


def test_the_script_prints_the_cost_of_half(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drawn, "frames", lambda task, count=2: [np.full((64, 96, 3), 9, np.uint8)])
    main = partial(run, "half")
    folders = [make_trained(tmp_path / name) for name in ("one", "two")]
    assert main([*map(str, folders)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.endswith("100.000% of the labels equal those in fp32") for line in printed] == [
        True,
        True,
    ]
    assert main([str(folders[0]), "--keep", "conv"]) == 0
    assert [card.read(folder).half_keep for folder in folders] == [("conv",), ()]
    assert main([str(folders[0]), "--keep", "nothing"]) == 2
    assert "no node 'nothing'" in capsys.readouterr().err
    assert card.read(folders[0]).half_keep == ("conv",)
    assert main([]) == 2
    assert "FOLDER" in capsys.readouterr().err


# --------------------------------------------------------------------- the included models


def check(folder, count):
    """Check that a model in half is nearly all half and labels `count` frames like fp32."""
    model, typed, keep = (
        half.read(folder / card.ONNX),
        half.of_folder(folder),
        card.read(folder).half_keep,
    )
    halves = half.half_nodes(typed)
    weighted = {n.name for n in model.graph.node if n.op_type in half.WEIGHTED}
    assert len(weighted & {*halves}) >= 0.9 * len(weighted)
    casts = [n for n in typed.graph.node if n.op_type == "Cast"]
    before = [n for n in model.graph.node if n.op_type == "Cast"]
    assert len(casts) <= len(before) + 8
    frames = drawn.images(card.read(folder), count)
    assert half_accuracy.cost(model, frames, keep) <= half_accuracy.LARGEST_COST
    # Also check it as TensorRT gets it: ONNX Runtime rounds only the weights.
    labels = half_accuracy.labels(typed, frames)
    assert np.mean(labels == half_accuracy.labels(model, frames)) >= 0.995


def test_the_default_model_in_half():
    check(assets.model_folder(assets.DEFAULT_MODEL), 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", assets.model_names())
def test_every_model_in_half(name):
    check(assets.model_folder(name), drawn.FRAMES)
