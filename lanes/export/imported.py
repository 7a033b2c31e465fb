"""Somebody else's network -> model folder: its graph wrapped into ours, and a card.

ONNX files are taken as they are; OpenVINO's are converted first (`lanes.export.from_openvino`).

The network takes float images (1, 3, H, W) and gives one or several heads of scores (1, C, h, w).
Around it go, inside the graph: uint8 BGR to its colour order, scale, mean and deviation, padding;
then the argmax of each head, and which class of the task each channel means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.compose import add_prefix

from lanes import backends, plugins, tasks
from lanes.card import ONNX, DataUse, ModelCard
from lanes.datasets import _samples
from lanes.errors import BackendError, BadConfig, BadModel, UnknownName
from lanes.export.folder import replacing
from lanes.export.from_openvino import read_ir
from lanes.images.resize import Resize, network_input
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Size

Order = Literal["rgb", "bgr"]
OLDEST_OPSET = 11
"""Padding, resizing and clipping by tensors came with it."""
PREFIX = "network/"
IR = ".xml"
"""How the files of OpenVINO's networks end."""
PARITY = 0.999
"""Least share of pixels on which the wrapped network agrees with the original."""


@dataclass(frozen=True)
class Wrapping:
    """How to feed a network and read its heads.

    An input value is (x * scale - mean) / std of x in 0..255, channels in `order`; `mean` and `std`
    are one number or three, in that order. `heads` has the class of each channel, head by head; of
    several heads the last one that is not the background counts. A head of one channel has two
    classes: the second is where its score is above `threshold`. `pad` are the rows above and below
    and the columns left and right that the network wants around the image, `pad_value` (0..255)
    what fills them. `size` is the image's (height, width) where the network takes any.
    """

    task: str
    heads: tuple[tuple[str, ...], ...]
    order: Order = "rgb"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    threshold: float = 0.5
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: float = 114.0
    size: Size | None = None
    terms: str = "unknown: ask who made the network"


@dataclass(frozen=True)
class _Input:
    name: str
    size: Size
    """Of what the network takes, padding included."""


def import_model(path: Path, folder: Path, wrapping: Wrapping) -> ModelCard:
    """Write the model folder of the network in `path`; an existing model folder is replaced.

    Raises:
        BadModel: it is no ONNX file, or of another shape than this can wrap.
        BadConfig, UnknownName: `wrapping` does not fit the network or the task.
        BackendError: the wrapped network gives other labels than the original.
        BadOutput: `folder` holds something else, or cannot be written.
    """
    folder = folder.resolve()
    network = _read(path)
    given = _input_of(network, path, wrapping)
    model = _wrapped(network, given, path, wrapping)
    top, bottom, left, right = wrapping.pad
    size = given.size[0] - top - bottom, given.size[1] - left - right
    if min(size) < 1:
        raise BadConfig(f"--pad {wrapping.pad}: nothing is left of the network's {given.size}")
    card = ModelCard(
        name=folder.name,
        task=wrapping.task,
        architecture=f"imported from {path.name}",
        resize=Resize(size),
        classes=tasks.load(wrapping.task).class_names,
        parameters=_parameters(network),
        gflop=round(_gflop(network), 4),
        terms=wrapping.terms,
        data=(DataUse(path.name, "whatever its authors trained it on", wrapping.terms),),
    )
    with replacing(folder) as part:
        onnx.save(model, part / ONNX)
        card.write(part)
        _compare(path, part, card, wrapping)
    return card


def _read(path: Path) -> onnx.ModelProto:
    try:
        network = read_ir(path) if path.suffix == IR else onnx.load(path)
        onnx.checker.check_model(network)
        network = shape_inference.infer_shapes(network)
    except OSError as error:
        raise BadModel(f"cannot read {path}: {error.strerror}") from error
    except (DecodeError, onnx.checker.ValidationError, RuntimeError, TypeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise BadModel(f"{path} is not a valid ONNX file ({reason}): export it again") from error
    opset = next((one.version for one in network.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise BadModel(
            f"{path} has opset {opset}, wanted {OLDEST_OPSET} or newer: export it again with that, "
            "or convert it with onnx.version_converter"
        )
    return network


def _input_of(network: onnx.ModelProto, path: Path, wrapping: Wrapping) -> _Input:
    constants = {tensor.name for tensor in network.graph.initializer}
    inputs = [one for one in network.graph.input if one.name not in constants]
    shapes = ", ".join(f"{one.name} {_shape(one)}" for one in inputs)
    if len(inputs) != 1 or len(_shape(inputs[0])) != 4 or _shape(inputs[0])[1] not in (3, "?"):
        raise BadModel(f"{path} takes {shapes}; wanted one input of images (1, 3, H, W)")
    (one,) = inputs
    if one.type.tensor_type.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(one.type.tensor_type.elem_type)
        raise BadModel(f"{path} takes {kind} images; wanted FLOAT: export it in fp32")
    count, _, height, width = _shape(one)
    if count not in (1, "?"):
        raise BadModel(f"{path} takes {count} images at a time; wanted one: export it so")
    top, bottom, left, right = wrapping.pad
    if wrapping.size is not None:
        wanted = wrapping.size[0] + top + bottom, wrapping.size[1] + left + right
        for name, has, asked in (("height", height, wanted[0]), ("width", width, wanted[1])):
            if has not in ("?", asked):
                raise BadConfig(
                    f"--size: with its padding the {name} is {asked}, the network takes {has}"
                )
        return _Input(one.name, wanted)
    if "?" in (height, width):
        raise BadConfig(
            f"{path} takes images of any size {shapes}: say which, as in --size 640x360"
        )
    return _Input(one.name, (int(height), int(width)))


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_value or "?" for d in value.type.tensor_type.shape.dim)


def _wrapped(
    network: onnx.ModelProto, given: _Input, path: Path, wrapping: Wrapping
) -> onnx.ModelProto:
    """The network with uint8 images in and uint8 labels out."""
    # A network may have an "images" or "labels" of its own.
    model = add_prefix(network, PREFIX)
    graph, build = model.graph, _Builder()
    top, bottom, left, right = wrapping.pad
    height, width = given.size
    images = (1, height - top - bottom, width - left - right, 3)
    _feed(build, PREFIX + given.name, wrapping)
    outputs = [(one.name, _shape(one)) for one in graph.output]
    if len(outputs) != len(wrapping.heads):
        names = ", ".join(f"{name} {shape}" for name, shape in outputs)
        raise BadConfig(
            f"{path} has {len(outputs)} outputs ({names}): give --classes for each of them, got "
            f"{len(wrapping.heads)}"
        )
    first = len(build.nodes)
    ids: str | None = None
    for (name, shape), classes in zip(outputs, wrapping.heads, strict=True):
        head = _head(build, name, shape, classes, given.size, path, wrapping)
        ids = head if ids is None else build("Where", build("Greater", head, build.zero), head, ids)
    assert ids is not None
    build("Cast", ids, to=TensorProto.UINT8, output="labels")
    nodes = list(graph.node)
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend([*build.nodes[:first], *nodes, *build.nodes[first:]])
    graph.initializer.extend(build.constants)
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.UINT8, images))
    graph.output.append(helper.make_tensor_value_info("labels", TensorProto.UINT8, images[:3]))
    for noted in (model, graph, *graph.node):
        del noted.metadata_props[:]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, RuntimeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise BadModel(f"{path} cannot be wrapped: {reason}") from error
    return model


class _Builder:
    """Nodes and constants with names of their own, in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.zero = self.constant(np.float32(0))

    def __call__(self, kind: str, *inputs: str, output: str | None = None, **how: Any) -> str:
        name = output or f"lanes/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **how))
        return name

    def constant(self, value: Any) -> str:
        name = f"lanes/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _feed(build: _Builder, name: str, wrapping: Wrapping) -> None:
    """From uint8 images (1, H, W, 3) BGR to what the network takes, under `name`."""
    planes = build("Transpose", build("Cast", "images", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    if any(wrapping.pad):
        top, bottom, left, right = wrapping.pad
        pads = build.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
        planes = build("Pad", planes, pads, build.constant(np.float32(wrapping.pad_value)))
    if wrapping.order == "rgb":
        planes = build("Gather", planes, build.constant(np.array([2, 1, 0], np.int64)), axis=1)
    # (x * scale - mean) / std as one multiplication and one addition.
    std = _by_channel("--std", wrapping.std)
    if not np.all(std > 0):
        raise BadConfig(f"--std {wrapping.std}: wanted numbers above 0")
    factor = build.constant(np.float32(wrapping.scale / std))
    shift = build.constant(np.float32(-_by_channel("--mean", wrapping.mean) / std))
    build("Add", build("Mul", planes, factor), shift, output=name)


def _by_channel(option: str, numbers: Sequence[float]) -> NDArray[np.float64]:
    if len(numbers) not in (1, 3):
        raise BadConfig(f"{option} has {len(numbers)} numbers; wanted one, or three by channel")
    return np.broadcast_to(np.array(numbers, np.float64), 3).reshape(1, 3, 1, 1)


def _head(
    build: _Builder,
    name: str,
    shape: tuple[int | str, ...],
    classes: tuple[str, ...],
    size: Size,
    path: Path,
    wrapping: Wrapping,
) -> str:
    """From a head's scores to class ids of the task, float (1, H, W) of the image's size."""
    names = tasks.load(wrapping.task).class_names
    for one in classes:
        if one not in names:
            raise UnknownName(unknown(f"task {wrapping.task}", one, list(names)))
    if len(shape) != 4:
        raise BadModel(
            f"{path}: {name} is {shape}; wanted scores (1, classes, h, w): export the network "
            "without its argmax"
        )
    channels = shape[1]
    if channels not in (len(classes), "?") and (channels, len(classes)) != (1, 2):
        raise BadConfig(
            f"{path}: {name} has {channels} channels, --classes names {len(classes)}: name the "
            "class of each channel"
        )
    if shape[2:] != size:
        sizes = build.constant(np.array([1, *_channels(shape), *size], np.int64))
        empty = build.constant(np.array([], np.float32))
        name = build("Resize", name, empty, empty, sizes, mode="linear")
    name = _cropped(build, name, size, wrapping.pad)
    table = build.constant(np.array([names.index(one) for one in classes], np.float32))
    if channels == 1:
        above = build("Greater", name, build.constant(np.float32(wrapping.threshold)))
        # Reshape rather than Squeeze, whose axes became an input with opset 13.
        rows, columns = (n - a - b for n, a, b in zip(size, *_pairs(wrapping.pad), strict=True))
        flat = build.constant(np.array([1, rows, columns], np.int64))
        index = build("Cast", build("Reshape", above, flat), to=TensorProto.INT64)
    else:
        index = build("ArgMax", name, axis=1, keepdims=0)
    return build("Gather", table, index)


def _channels(shape: tuple[int | str, ...]) -> tuple[int]:
    return (int(shape[1]) if shape[1] != "?" else -1,)


def _pairs(pad: tuple[int, int, int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    top, bottom, left, right = pad
    return (top, left), (bottom, right)


def _cropped(build: _Builder, name: str, size: Size, pad: tuple[int, int, int, int]) -> str:
    if not any(pad):
        return name
    (top, left), (bottom, right) = _pairs(pad)
    starts = build.constant(np.array([top, left], np.int64))
    ends = build.constant(np.array([size[0] - bottom, size[1] - right], np.int64))
    return build("Slice", name, starts, ends, build.constant(np.array([2, 3], np.int64)))


def _parameters(network: onnx.ModelProto) -> int:
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    weights = (t for t in network.graph.initializer if t.data_type in floats)
    return sum(math.prod(t.dims) for t in weights)


def _gflop(network: onnx.ModelProto) -> float:
    """Billions of floating point operations of the convolutions, 2 a multiply-add."""
    graph = network.graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    values = {v.name: _shape(v) for v in (*graph.value_info, *graph.output, *graph.input)}
    operations = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose") or node.input[1] not in weights:
            continue
        # A convolution multiplies for each output, a transposed one for each input.
        places = values.get(node.output[0] if node.op_type == "Conv" else node.input[0], ())
        known = [n for n in places[2:] if isinstance(n, int)]
        kernel = math.prod(weights[node.input[1]])
        operations += 2 * kernel * math.prod(known) * (len(known) == 2)
    return operations / 1e9


def _compare(path: Path, folder: Path, card: ModelCard, wrapping: Wrapping) -> None:
    """Raise `BackendError` unless the wrapped network labels drawn frames as the original does."""
    frames = [
        network_input(frame, card.resize)[None] for frame in _samples.frames(wrapping.task, count=2)
    ]
    backend = backends.load("onnxruntime", folder, "fp32")
    try:
        for frame in frames:
            share = float((backend(frame) == _original(path, frame, card, wrapping)).mean())
            if share < PARITY:
                raise BackendError(
                    f"the wrapped network agrees with {path} on {share:.2%} of the pixels, wanted "
                    f"{PARITY:.1%}: please report it"
                )
    finally:
        backend.close()


def _original(path: Path, images: ImageBatch, card: ModelCard, wrapping: Wrapping) -> LabelBatch:
    """Labels by the network as it is, in the library of its format, prepared and read in NumPy."""
    from cv2 import INTER_LINEAR, resize

    top, bottom, left, right = wrapping.pad
    padded = np.pad(
        images.astype(np.float32),
        ((0, 0), (top, bottom), (left, right), (0, 0)),
        constant_values=wrapping.pad_value,
    )
    planes = padded[..., :: -1 if wrapping.order == "rgb" else 1].transpose(0, 3, 1, 2)
    mean, std = (_by_channel("", numbers) for numbers in (wrapping.mean, wrapping.std))
    fed = ((planes * wrapping.scale - mean) / std).astype(np.float32)
    names = tasks.load(wrapping.task).class_names
    labels = np.zeros(images.shape[:3], np.uint8)
    heads = _scores(path, np.ascontiguousarray(fed))
    for scores, classes in zip(heads, wrapping.heads, strict=True):
        size = planes.shape[3], planes.shape[2]
        large = np.stack([resize(one, size, interpolation=INTER_LINEAR) for one in scores[0]])
        large = large[:, top : size[1] - bottom, left : size[0] - right]
        index = large.argmax(0) if len(large) > 1 else (large[0] > wrapping.threshold).astype(int)
        found = np.array([names.index(one) for one in classes], np.uint8)[index][None]
        labels = np.where(found > 0, found, labels)
    return labels


def _scores(path: Path, fed: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The heads (1, C, h, w) of the network in `path`, in fp32."""
    try:
        if path.suffix == IR:
            import openvino

            how = {"INFERENCE_PRECISION_HINT": "f32"}
            compiled = openvino.Core().compile_model(path, "CPU", how)
            results = compiled(fed)
            return [np.asarray(results[port]) for port in compiled.outputs]
        import onnxruntime
    except ModuleNotFoundError as error:
        raise plugins.missing("comparing with the original", str(error.name)) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: fed}))
