"""An OpenVINO network (.xml and .bin) as an ONNX graph, so that every backend can run it.

Of OpenVINO's operations those are known that convolutional networks of fixed size are made of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lanes import plugins
from lanes.errors import BadModel

OPSET = 18
LINEAR = ("linear_onnx", "linear")


def read_ir(path: Path) -> onnx.ModelProto:
    """The network of `path` (.xml, with its .bin beside it) in ONNX.

    Raises:
        BadModel: it cannot be read, has another size at each run, or an unknown operation.
        MissingDependency: OpenVINO is not installed.
    """
    try:
        import openvino
        from openvino.passes import ConstantFolding, Manager
    except ModuleNotFoundError as error:
        raise plugins.missing("reading an OpenVINO network", "openvino") from error
    try:
        network = openvino.Core().read_model(path)
        # Shapes are fixed, so what is computed of them becomes constant.
        folding = Manager()
        folding.register_pass(ConstantFolding())
        folding.run_passes(network)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[-1]
        raise BadModel(
            f"{path} is not an OpenVINO network ({reason}): is its .bin beside it?"
        ) from (error)
    return _Translation(network, path).model()


class _Translation:
    """The nodes and constants that a network needs for its outputs, in order."""

    def __init__(self, network: Any, path: Path) -> None:
        self.network, self.path = network, path
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        wanted = self._wanted()
        for operation in self.network.get_ordered_ops():
            if operation.get_friendly_name() in wanted:
                self._add(operation)
        inputs = [self._value(port) for port in self.network.inputs]
        outputs = [self._value(result.input(0).get_source_output()) for result in self._results()]
        graph = helper.make_graph(
            self.nodes, self.path.stem, inputs, outputs, list(self.constants.values())
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )

    def _results(self) -> list[Any]:
        return list(self.network.get_results())

    def _wanted(self) -> set[str]:
        """The names of what the outputs depend on by data, not by shape alone."""
        found: set[str] = set()
        waiting = [result.input(0).get_source_output().get_node() for result in self._results()]
        while waiting:
            operation = waiting.pop()
            name = operation.get_friendly_name()
            if name not in found:
                found.add(name)
                # The sizes of a resize are known: they need not be computed.
                data = 1 if operation.get_type_name() == "Interpolate" else None
                ports = operation.inputs()[:data]
                waiting += [port.get_source_output().get_node() for port in ports]
        return found

    def _value(self, port: Any) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(_name(port), TensorProto.FLOAT, self._shape(port))

    def _shape(self, port: Any) -> list[int]:
        shape = port.get_partial_shape()
        if shape.is_dynamic:
            raise BadModel(f"{self.path} takes {shape}; wanted a fixed size: reshape and save it")
        return [int(n.get_length()) for n in shape]

    def _add(self, operation: Any) -> None:
        kind = operation.get_type_name()
        how = operation.get_attributes()
        if kind == "Parameter":
            return
        if kind == "Constant":
            self._constant(_name(operation.output(0)), np.array(operation.get_data()))
            return
        inputs = [_name(port.get_source_output()) for port in operation.inputs()]
        if kind in ("Convolution", "GroupConvolution"):
            self._convolve(operation, inputs, how)
        elif kind in ("MaxPool", "AvgPool"):
            self._pool(operation, inputs, how)
        elif kind == "Interpolate":
            self._resize(operation, inputs, how)
        elif kind in PLAIN:
            more = {"axis": how["axis"]} if kind in ("Softmax", "Concat") else {}
            more |= {"to": TensorProto.FLOAT} if kind == "Convert" else {}
            self._node(PLAIN[kind], inputs, operation, **more)
        else:
            known = ", ".join(sorted((*PLAIN, *OTHERS)))
            raise BadModel(
                f"{self.path} has the operation {kind}, which is not converted (known: {known}): "
                "ask its authors for an ONNX file"
            )

    def _node(self, kind: str, inputs: list[str], operation: Any, **how: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [_name(operation.output(0))], **how))

    def _constant(self, name: str, value: Any) -> str:
        if np.issubdtype(value.dtype, np.floating):
            value = value.astype(np.float32)
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _convolve(self, operation: Any, inputs: list[str], how: dict[str, Any]) -> None:
        groups, weights = 1, inputs[1]
        if operation.get_type_name() == "GroupConvolution":
            # OpenVINO has the groups as the first axis, ONNX has them in the number of filters.
            source = operation.input(1).get_source_output().get_node()
            if source.get_type_name() != "Constant":
                raise BadModel(
                    f"{self.path} computes the weights of {operation.get_friendly_name()}"
                )
            data = np.array(source.get_data())
            groups = data.shape[0]
            weights = self._constant(f"{weights}/grouped", data.reshape(-1, *data.shape[2:]))
        self._node(
            "Conv",
            [inputs[0], weights],
            operation,
            strides=list(how["strides"]),
            dilations=list(how["dilations"]),
            pads=[*how["pads_begin"], *how["pads_end"]],
            group=groups,
        )

    def _pool(self, operation: Any, inputs: list[str], how: dict[str, Any]) -> None:
        average = operation.get_type_name() == "AvgPool"
        more = {"count_include_pad": int(not how["exclude-pad"])} if average else {}
        self._node(
            "AveragePool" if average else "MaxPool",
            inputs[:1],
            operation,
            kernel_shape=list(how["kernel"]),
            strides=list(how["strides"]),
            pads=[*how["pads_begin"], *how["pads_end"]],
            ceil_mode=int(how["rounding_type"].startswith("ceil")),
            **more,
        )

    def _resize(self, operation: Any, inputs: list[str], how: dict[str, Any]) -> None:
        if how["mode"] not in (*LINEAR, "nearest"):
            raise BadModel(f"{self.path} resizes by {how['mode']}, which cannot be converted")
        name = _name(operation.output(0))
        sizes = np.array(self._shape(operation.output(0)), np.int64)
        self._node(
            "Resize",
            [inputs[0], "", "", self._constant(f"{name}/sizes", sizes)],
            operation,
            mode="linear" if how["mode"] in LINEAR else "nearest",
            coordinate_transformation_mode=how["coordinate_transformation_mode"],
            nearest_mode=how["nearest_mode"],
        )


PLAIN = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "Relu": "Relu",
    "PRelu": "PRelu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softmax": "Softmax",
    "Concat": "Concat", "Exp": "Exp", "Convert": "Cast",
}  # fmt: skip
"""Operations that are the same in both, with ONNX's names."""
OTHERS = ("Convolution", "GroupConvolution", "MaxPool", "AvgPool", "Interpolate")


def _name(port: Any) -> str:
    """A value's name: its operation's, numbered where that has several outputs."""
    node = port.get_node()
    number = f".{port.get_index()}" if node.get_output_size() > 1 else ""
    return f"{node.get_friendly_name()}{number}"
