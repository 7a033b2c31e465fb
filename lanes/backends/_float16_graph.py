"""A network in fp32 -> the same network typed in half precision, as TensorRT 10 and 11 want it.

TensorRT 11 chooses no precision itself: a tensor has the type that the ONNX file gives it (NVIDIA
calls it strong typing). So the types are written here: uint8 in, uint8 out, half inside. What loses
accuracy in half stays in fp32:

- the normalisation, whose pixels and means need more than half's 11 bits;
- what follows the last layer with weights: enlarging the logits, and telling the greatest;
- sums over many values, and functions that magnify an error (`KEPT`);
- layers whose constants are beyond half's range, and those that the model's card names.

A cast stands only where a tensor's maker and its user differ in type, one for all such users. The
result is made when an engine is built, and not kept: what changes it must raise `RECIPE` of
`lanes/backends/tensorrt.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, defs, helper, numpy_helper

from lanes import card as cards
from lanes.card import CURE, ONNX
from lanes.errors import BadModel, UnknownName

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = 65504.0
"""Half's largest number; its own resolution is 11 bits."""
KEPT = {
    *("GlobalAveragePool", "GlobalLpPool", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "CumSum"),
    *("Softmax", "LogSoftmax", "Exp", "Log", "Pow", "Reciprocal", "Sqrt", "Einsum"),
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization"),
}
"""Kinds of layers that stay in fp32."""
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
POINTWISE = {"Cast", "Sub", "Div", "Mul", "Add"}
"""What a normalisation is made of."""
END = "_in_"
"""A tensor `x` that is needed in the other type too is `x_in_half` or `x_in_float`."""


def to_half(model: ModelProto, keep: Collection[str] = ()) -> ModelProto:
    """Type `model`, which is fp32, in half; the nodes named in `keep` stay in fp32.

    Raises:
        BadModel: the graph has branches or loops, which no model of ours has.
        UnknownName: a name of `keep` is no node.
    """
    model = onnx.shape_inference.infer_shapes(model, check_type=True)
    _name_nodes(model)
    names = [node.name for node in model.graph.node]
    for name in set(keep) - set(names):
        near = difflib.get_close_matches(name, names, n=3, cutoff=0)
        raise UnknownName(f"the network has no node {name!r}; it has {', '.join(near)}, ...")
    if any(a.HasField("g") or a.graphs for node in model.graph.node for a in node.attribute):
        raise BadModel("the network has branches or loops, which cannot be typed in half")
    typed = _Typing(model, keep).model()
    onnx.checker.check_model(typed, full_check=True)
    return typed


def half_tensors(model: ModelProto) -> set[str]:
    """The tensors of `model` that are half, constants aside."""
    types = _types(onnx.shape_inference.infer_shapes(model))
    constants = {tensor.name for tensor in model.graph.initializer}
    return {name for name, kind in types.items() if kind == HALF} - constants


def half_nodes(model: ModelProto) -> list[str]:
    """The names of the nodes of `model` that work in half, casts aside, in the order of work."""
    halves = half_tensors(model)
    return [n.name for n in model.graph.node if n.op_type != "Cast" and halves & {*n.output}]


def of_folder(folder: Path) -> ModelProto:
    """The network of a model folder typed in half, but for the layers that its card keeps in fp32.

    Raises:
        BadModel: there is no network, or none that can be read.
        UnknownName: see `to_half`.
    """
    return to_half(read(folder / ONNX), cards.read(folder).half_keep)


def read(path: Path) -> ModelProto:
    """Read an ONNX file; raises `BadModel`."""
    if not path.is_file():
        raise BadModel(f"no {path.name} in {path.parent}: {CURE}")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        _name_nodes(model)
    except Exception as error:  # protobuf's and the checker's errors share no base
        reason = str(error).strip().partition("\n")[0]
        raise BadModel(f"onnx cannot read {path} ({reason}): {CURE}") from error
    return model


def _name_nodes(model: ModelProto) -> None:
    for node in model.graph.node:
        node.name = node.name or node.output[0]


def _types(model: ModelProto) -> dict[str, int]:
    """The element type of every tensor of a model whose shapes are inferred."""
    graph = model.graph
    told = {t.name: t.data_type for t in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        told[value.name] = value.type.tensor_type.elem_type
    return told


class _Typing:
    """Walks a graph once, in the order of work, and types each node's floats."""

    def __init__(self, model: ModelProto, keep: Collection[str]) -> None:
        self.source = model
        self.types = _types(model)
        """What each tensor is in the new graph; as in the old one until its maker was seen."""
        self.constants = {t.name: t for t in model.graph.initializer}
        self.floats = {name for name, kind in self.types.items() if kind == FLOAT}
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        fixed = {*_normalisation(model), *_after_weights(model), *keep}
        self.kept = {n.name for n in model.graph.node if n.name in fixed or self._unfit(n)}
        self.nodes: list[NodeProto] = []

    def model(self) -> ModelProto:
        """The graph in its new types."""
        for node in self.source.graph.node:
            self._add(node)
        typed = ModelProto()
        typed.CopyFrom(self.source)
        graph = typed.graph
        del graph.node[:], graph.value_info[:], graph.initializer[:]
        used = {name for node in self.nodes for name in node.input}
        graph.node.extend(self.nodes)
        graph.initializer.extend(t for name, t in self.constants.items() if name in used)
        return typed

    def _unfit(self, node: NodeProto) -> bool:
        """Whether a node loses too much in half, or has no half form."""
        if node.op_type == "Cast":
            return False
        constants = [self.constants[name] for name in node.input if name in self.constants]
        values = [numpy_helper.to_array(t) for t in constants if t.data_type == FLOAT]
        beyond = any(np.abs(v).max(initial=0) > LARGEST for v in values)
        able = self._inputs(node).values()  # none: a node that makes floats of a shape, say
        return node.op_type in KEPT or beyond or not able or not all(able)

    def _inputs(self, node: NodeProto) -> dict[int, bool]:
        """Which inputs take the node's float type, and whether ONNX lets them be half."""
        schema = defs.get_schema(node.op_type, self.opset, node.domain)
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        inputs = {}
        for index, name in enumerate(node.input):
            # The last, if variadic, stands for all that follow. Some inputs are fp32 always.
            kind = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
            if name in self.floats and kind in allowed:
                inputs[index] = "tensor(float16)" in allowed[kind]
        return inputs

    def _add(self, source: NodeProto) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        wanted = FLOAT if node.name in self.kept else HALF
        if node.op_type != "Cast":  # which takes any type
            for index in self._inputs(node):
                node.input[index] = self._as(node.input[index], wanted)
        retype_cast(node, wanted)
        self.types.update(dict.fromkeys(self.floats & {*node.output}, wanted))
        self.nodes.append(node)

    def _as(self, name: str, wanted: int) -> str:
        """The name of a tensor in the type `wanted`, made if it is new."""
        if self.types[name] == wanted:
            return name
        other = f"{name}{END}{'half' if wanted == HALF else 'float'}"
        if other not in self.types:
            if name in self.constants:
                constant = TensorProto()
                constant.CopyFrom(self.constants[name])
                constant.name = other
                retype_constant(constant, wanted)
                self.constants[other] = constant
            else:
                cast = helper.make_node("Cast", [name], [other], name=f"cast_{other}", to=wanted)
                self.nodes.append(cast)
            self.types[other] = wanted
        return other


def retype_cast(node: NodeProto, wanted: int) -> None:
    """Let a cast to floats make those of the type `wanted`; other nodes stay."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i in (FLOAT, HALF):
            attribute.i = wanted


def retype_constant(tensor: TensorProto, wanted: int) -> None:
    """Turn a constant of floats into one of the type `wanted`; others stay."""
    if tensor.data_type in (FLOAT, HALF):
        values = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(wanted))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _normalisation(model: ModelProto) -> Iterator[str]:
    """The nodes that make numbers around 0 of the image, pixel by pixel."""
    seen = {t.name for t in (*model.graph.input, *model.graph.initializer)}
    for node in model.graph.node:
        if node.op_type in POINTWISE and seen.issuperset(node.input):
            seen.update(node.output)
            yield node.name


def _after_weights(model: ModelProto) -> Iterator[str]:
    """The nodes between the last layers with weights and the labels, backwards."""
    wanted = {value.name for value in model.graph.output}
    for node in reversed(model.graph.node):
        if wanted & {*node.output} and node.op_type not in WEIGHTED:
            wanted.update(node.input)
            yield node.name
