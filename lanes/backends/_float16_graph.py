"""Converts an fp32 network to half precision, as TensorRT 10 and 11 need it.

TensorRT 11 chooses no precision itself: each tensor has the type that the ONNX file states (NVIDIA
calls this strong typing). So this module sets the types: uint8 in, uint8 out, half inside. Layers
that lose accuracy in half stay in fp32:

- the normalisation, whose pixels and means need more than half's 11 bits;
- everything after the last layer with weights: upsampling the logits, and argmax;
- sums over many values, and functions that amplify errors (`KEPT`);
- layers whose constants exceed half's range, and those that the model's card lists.

A cast appears only where producer and consumer differ in type; all such consumers share it. The
conversion runs at each engine build and is not cached: if you change it, raise `RECIPE` in
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
"""The largest half number; half has 11 bits of precision."""
KEPT = {
    *("GlobalAveragePool", "GlobalLpPool", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "CumSum"),
    *("Softmax", "LogSoftmax", "Exp", "Log", "Pow", "Reciprocal", "Sqrt", "Einsum"),
    *("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization"),
}
"""Kinds of layers that stay in fp32."""
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
POINTWISE = {"Cast", "Sub", "Div", "Mul", "Add"}
"""Operators of a normalisation."""
END = "_in_"
"""A copy of tensor `x` in the other type is named `x_in_half` or `x_in_float`."""


def to_half(model: ModelProto, keep: Collection[str] = ()) -> ModelProto:
    """Convert the fp32 `model` to half; the nodes named in `keep` stay in fp32.

    Raises:
        BadModel: the graph has branches or loops, which our models never have.
        UnknownName: a name in `keep` is not a node.
    """
    model = onnx.shape_inference.infer_shapes(model, check_type=True)
    _name_nodes(model)
    names = [node.name for node in model.graph.node]
    for name in set(keep) - set(names):
        near = difflib.get_close_matches(name, names, n=3, cutoff=0)
        raise UnknownName(f"the network has no node {name!r}; it has {', '.join(near)}, ...")
    if any(a.HasField("g") or a.graphs for node in model.graph.node for a in node.attribute):
        raise BadModel("the network has branches or loops, which cannot be converted to half")
    typed = _Typing(model, keep).model()
    onnx.checker.check_model(typed, full_check=True)
    return typed


def half_tensors(model: ModelProto) -> set[str]:
    """The half tensors of `model`, without constants."""
    types = _types(onnx.shape_inference.infer_shapes(model))
    constants = {tensor.name for tensor in model.graph.initializer}
    return {name for name, kind in types.items() if kind == HALF} - constants


def half_nodes(model: ModelProto) -> list[str]:
    """Names of the nodes of `model` that compute in half, in execution order, without casts."""
    halves = half_tensors(model)
    return [n.name for n in model.graph.node if n.op_type != "Cast" and halves & {*n.output}]


def of_folder(folder: Path) -> ModelProto:
    """The network of a model folder in half, except for the layers that its card keeps in fp32.

    Raises:
        BadModel: the network is missing or cannot be read.
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
    except Exception as error:  # protobuf's and the checker's errors have no common base
        reason = str(error).strip().partition("\n")[0]
        raise BadModel(f"onnx cannot read {path} ({reason}): {CURE}") from error
    return model


def _name_nodes(model: ModelProto) -> None:
    for node in model.graph.node:
        node.name = node.name or node.output[0]


def _types(model: ModelProto) -> dict[str, int]:
    """The element type of every tensor of a model after shape inference."""
    graph = model.graph
    types = {t.name: t.data_type for t in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        types[value.name] = value.type.tensor_type.elem_type
    return types


class _Typing:
    """Walks a graph once, in execution order, and sets the float type of each node."""

    def __init__(self, model: ModelProto, keep: Collection[str]) -> None:
        self.source = model
        self.types = _types(model)
        """Each tensor's type in the new graph; the old one until its producer is visited."""
        self.constants = {t.name: t for t in model.graph.initializer}
        self.floats = {name for name, kind in self.types.items() if kind == FLOAT}
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        fixed = {*_normalisation(model), *_after_weights(model), *keep}
        self.kept = {n.name for n in model.graph.node if n.name in fixed or self._unfit(n)}
        self.nodes: list[NodeProto] = []

    def model(self) -> ModelProto:
        """The graph with its new types."""
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
        """Whether a node loses too much accuracy in half, or does not support it."""
        if node.op_type == "Cast":
            return False
        constants = [self.constants[name] for name in node.input if name in self.constants]
        values = [numpy_helper.to_array(t) for t in constants if t.data_type == FLOAT]
        beyond = any(np.abs(v).max(initial=0) > LARGEST for v in values)
        able = self._inputs(node).values()  # empty: for example, floats made from a shape
        return node.op_type in KEPT or beyond or not able or not all(able)

    def _inputs(self, node: NodeProto) -> dict[int, bool]:
        """The inputs that follow the node's float type, and whether ONNX allows half for them."""
        schema = defs.get_schema(node.op_type, self.opset, node.domain)
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        inputs = {}
        for index, name in enumerate(node.input):
            # A variadic last input covers all that follow. Some inputs are always fp32.
            kind = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
            if name in self.floats and kind in allowed:
                inputs[index] = "tensor(float16)" in allowed[kind]
        return inputs

    def _add(self, source: NodeProto) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        wanted = FLOAT if node.name in self.kept else HALF
        if node.op_type != "Cast":  # a cast accepts any type
            for index in self._inputs(node):
                node.input[index] = self._as(node.input[index], wanted)
        retype_cast(node, wanted)
        self.types.update(dict.fromkeys(self.floats & {*node.output}, wanted))
        self.nodes.append(node)

    def _as(self, name: str, wanted: int) -> str:
        """The name of a tensor converted to the type `wanted`; adds the conversion if it is new."""
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
    """Make a cast to floats produce the type `wanted`; leave other nodes alone."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i in (FLOAT, HALF):
            attribute.i = wanted


def retype_constant(tensor: TensorProto, wanted: int) -> None:
    """Convert a float constant to the type `wanted`; leave others alone."""
    if tensor.data_type in (FLOAT, HALF):
        values = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(wanted))
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _normalisation(model: ModelProto) -> Iterator[str]:
    """The nodes that normalise the image, pixel by pixel."""
    seen = {t.name for t in (*model.graph.input, *model.graph.initializer)}
    for node in model.graph.node:
        if node.op_type in POINTWISE and seen.issuperset(node.input):
            seen.update(node.output)
            yield node.name


def _after_weights(model: ModelProto) -> Iterator[str]:
    """The nodes between the last layers with weights and the labels, in reverse order."""
    wanted = {value.name for value in model.graph.output}
    for node in reversed(model.graph.node):
        if wanted & {*node.output} and node.op_type not in WEIGHTED:
            wanted.update(node.input)
            yield node.name
