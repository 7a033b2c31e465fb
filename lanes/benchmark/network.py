"""Times any ONNX network in the same harness as ours, on random data of its input shape and type.

Work outside such a network (normalisation, argmax) is not timed; our networks include it.
See https://onnxruntime.ai/docs/api/python and https://docs.openvino.ai, "Performance Hints".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lanes import assets, backends, plugins
from lanes.benchmark.turns import Input, Runner
from lanes.errors import BadInput, BadModel

STORED = "stored"
"""Precision name for ONNX Runtime, which computes in the types that the file states."""
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
PICTURES = 4
PROVIDER = "executionprovider"
"""Suffix of all device names in ONNX Runtime."""


def precisions(backend: str, device: str | None = None) -> tuple[str, ...]:
    """The precisions in which `backend` can run foreign networks on this machine; may be empty."""
    if backend == "openvino":
        hints = plugins.load("backends", backend).HINTS
        return tuple(name for name in backends.precisions(backend, device) if name in hints)
    return (STORED,) if backend == "onnxruntime" else ()


def shape_of(path: Path, wanted: str = "") -> tuple[int, ...]:
    """The shape of a network's only input; `wanted` ("1,3,360,640") fills in open dimensions.

    Raises:
        BadModel: the file is missing or not a network, or its inputs are not one numeric tensor.
        BadInput: the shape is open and `wanted` is empty, or `wanted` contradicts the file.
    """
    tensor = _input_of(path)
    stated = [size if isinstance(size, int) and size > 0 else None for size in tensor.shape]
    shown = ", ".join("?" if size is None else str(size) for size in stated)
    if not wanted:
        if None in stated:
            example = ",".join(
                str(size or (640 if index else 1)) for index, size in enumerate(stated)
            )
            raise BadInput(
                f"the input of {path} is ({shown}): give its shape, for example --shape {example}"
            )
        return tuple(size or 0 for size in stated)
    try:
        shape = tuple(int(part) for part in wanted.split(","))
    except ValueError:
        shape = ()
    fits = len(shape) == len(stated) and all(
        given > 0 and size in (None, given) for given, size in zip(shape, stated, strict=True)
    )
    if not fits:
        raise BadInput(f"--shape {wanted} does not fit the input of {path}, which is ({shown})")
    return shape


def inputs_of(path: Path, shape: tuple[int, ...]) -> list[Input]:
    """Random inputs: 0..1 for floating-point networks, else 0..127."""
    kind = np.dtype(TYPES[_input_of(path).type])
    random = np.random.default_rng(0)
    if kind.kind == "f":
        return [random.random(shape).astype(kind) for _ in range(PICTURES)]
    return [random.integers(0, 128, shape).astype(kind) for _ in range(PICTURES)]


def load(
    path: Path,
    shape: tuple[int, ...],
    backend: str,
    precision: str,
    device: str | None,
    threads: int | None,
    hint: str,
) -> Runner:
    """Load a network with the same options as our backend of that name."""
    if backend == "openvino":
        return OpenVinoNetwork(path, shape, precision, device or "cpu", threads, hint)
    return OnnxRuntimeNetwork(path, device or "cpu", threads)


class OnnxRuntimeNetwork:
    """A network in ONNX Runtime, one input at a time; see `lanes.benchmark.turns.Runner`."""

    name, precision, depth = "onnxruntime", STORED, 1

    def __init__(self, path: Path, device: str, threads: int | None) -> None:
        self.session = _session(path, device, threads)
        self.input_name = self.session.get_inputs()[0].name

    def submit(self, image: Input) -> Any:
        """Run and return the outputs."""
        return self.session.run(None, {self.input_name: image})

    def result(self, pending: Any) -> Any:
        """The outputs."""
        return pending


class OpenVinoNetwork:
    """A network in OpenVINO; see `lanes.benchmark.turns.Runner`."""

    name = "openvino"

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        precision: str,
        device: str,
        threads: int | None,
        hint: str,
    ) -> None:
        engine = plugins.load("backends", self.name)  # imports OpenVINO without telemetry
        options = engine.options(engine.HINTS[precision], threads, hint)
        options["CACHE_DIR"] = str(assets.cache_folder(self.name))
        core = engine.shared_core()
        model = core.read_model(path)
        model.reshape(list(shape))
        compiled = core.compile_model(model, device.upper(), options)
        self.precision = precision
        self.depth = engine.depth_of(compiled)
        self.free = [compiled.create_infer_request() for _ in range(self.depth)]

    def submit(self, image: Input) -> Any:
        """Start running."""
        request = self.free.pop()
        request.start_async([image], share_inputs=True)
        return request

    def result(self, pending: Any) -> Any:
        """Wait; the outputs stay in the request."""
        pending.wait()
        self.free.append(pending)


def _session(path: Path, device: str, threads: int | None) -> Any:
    import onnxruntime

    options = plugins.load("backends", "onnxruntime").session_options(threads)
    providers = [
        name
        for name in onnxruntime.get_available_providers()
        if name.lower().removesuffix(PROVIDER) == device.lower().removesuffix(PROVIDER)
    ]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def _input_of(path: Path) -> Any:
    """The only input, with name, shape and type as ONNX Runtime reports them."""
    if not path.is_file():
        raise BadModel(f"there is no file {path}; wanted an ONNX network")
    try:
        inputs = _session(path, "cpu", None).get_inputs()
    except Exception as error:  # its exceptions have no other common base
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        reason = str(error).strip().splitlines()[-1:] or [repr(error)]
        raise BadModel(f"ONNX Runtime cannot read {path}: {reason[0]}") from error
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise BadModel(f"{path} has {len(inputs)} inputs ({names}); wanted one, the image")
    if inputs[0].type not in TYPES:
        raise BadModel(f"the input of {path} has type {inputs[0].type}; wanted numbers")
    return inputs[0]
