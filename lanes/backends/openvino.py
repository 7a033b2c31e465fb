"""OpenVINO: runs the exported graph on Intel, AMD and ARM CPUs, and on Intel GPUs and NPUs.

OpenVINO treats a precision as a hint: if the device lacks it, it silently uses another, and on CPUs
with bf16 that is even the default. So this backend offers only precisions that the device computes
in, and checks the compiled model's. See https://docs.openvino.ai, "Precision Control" and
"High-level Performance Hints".
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanes import assets
from lanes.backends import _cache, _engine, _scores_graph
from lanes.errors import BackendError, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch

# OpenVINO (2026.4) imports its model converter, which takes twice as long as everything else and
# reports each import to Google Analytics unless the user has opted out.
with _engine.without("openvino.tools.ovc"):
    import openvino
    from openvino.frontend import FrontEndManager

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
PRECISIONS = tuple(HINTS)
FASTEST = ("bf16", "fp16", "fp32")
"""Order of preference for "auto": the first that the device computes in."""
COMPOSITE = ("AUTO", "MULTI", "HETERO")
"""Devices that combine others: "AUTO", "AUTO:GPU,CPU", "MULTI:GPU,CPU", ..."""


class OpenVinoBackend(_engine.ThreadedEngine):
    """See `lanes.types.Backend`; `depth` infer requests take turns.

    OpenVINO never holds a Python object, neither a callback nor an array: its threads would need
    the GIL to release it, while the model's destructor holds the GIL and waits for those threads
    (2026.4). So images are copied, and a thread of ours waits for results.
    """

    name = library = "openvino"

    def __init__(self, compiled: Any, precision: str) -> None:
        """Run `compiled`, whose input is uint8 (1, H, W, 3)."""
        # AUTO puts a device in brackets while it only stands in for another.
        device = ",".join(name.strip("()") for name in compiled.get_property("EXECUTION_DEVICES"))
        super().__init__(device.lower(), precision, compiled.input(0).shape)
        self.depth = depth_of(compiled)
        self.free = [compiled.create_infer_request() for _ in range(self.depth)]

    def _begin(self, images: ImageBatch) -> Any:
        request = self.free.pop()
        try:
            request.get_input_tensor(0).data[:] = images
            request.start_async()
        except BaseException:
            self.free.append(request)
            raise
        return request

    def _run(self, begun: Any) -> Sequence[NDArray[Any]]:
        try:
            begun.wait()
            return [np.array(tensor.data) for tensor in begun.output_tensors]
        finally:
            self.free.append(begun)

    def close(self) -> None:
        """Free the requests; the last one frees the compiled model."""
        super().close()
        self.free.clear()


@functools.cache
def shared_core() -> Any:
    """OpenVINO's entry point, one for the life of the process.

    The CPU plugin gives the thread that creates it a stack for signal handlers, and frees that
    stack when the plugin is freed, in whatever thread (2026.4). Python's handlers run on it, so the
    next Ctrl-C or ended child process would crash.
    """
    return openvino.Core()


def precisions(device: str = "cpu", folder: Path | None = None) -> tuple[str, ...]:
    """The precisions that `device` computes in; int8 too if `folder` has a quantised network."""
    core = shared_core()
    able = _capabilities(core, _known(core, device))
    return _engine.with_int8(_precisions(able), folder)


def load(
    folder: Path,
    precision: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
    hint: str = "latency",
    scores: bool = False,
) -> OpenVinoBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    _engine.onnx_path(folder)
    core = shared_core()
    device = _known(core, device)
    able = _capabilities(core, device)
    known = _precisions(able)
    _engine.check_precision("openvino", precision, (*known, _engine.INT8))
    fastest = next(name for name in FASTEST if name in known)
    precision = fastest if precision == "auto" else precision
    path = _engine.network_path(folder, precision)
    # The float layers of a quantised network run in the fastest float precision.
    floats = HINTS[fastest if precision == _engine.INT8 else precision]
    how = options(floats, threads, hint)
    compiled = _compile(core, path, scores, device, how, "EXPORT_IMPORT" in able)
    if device.partition(":")[0] not in COMPOSITE:  # these do not report it
        became = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if became != floats:
            raise BackendError(
                f"openvino computes in {became} on {device}, wanted {floats}: choose another "
                "precision, or auto"
            )
    return OpenVinoBackend(compiled, precision)


def options(floats: str, threads: int | None, hint: str) -> dict[str, Any]:
    """The compile options for every network; `floats` is one of the values of `HINTS`."""
    found: dict[str, Any] = {"INFERENCE_PRECISION_HINT": floats, "PERFORMANCE_HINT": hint.upper()}
    if threads:
        found["DEVICE_PROPERTIES"] = {"CPU": {"INFERENCE_NUM_THREADS": threads}}
    return found


def depth_of(compiled: Any) -> int:
    """One more request than OpenVINO runs in parallel, so that no stream waits for the caller."""
    return int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1


def _known(core: Any, device: str) -> str:
    """OpenVINO's name for `device`; raises `UnknownName` if this machine does not have it."""
    device = device.upper()
    if device == "CPU":  # listing all devices takes longer than loading this one
        return device
    have = core.available_devices
    kind, _, _ = device.partition(":")
    parts = _parts(device, have) if kind in COMPOSITE else []
    for part in parts:
        _known(core, part)
    if parts:
        return device
    if device.removesuffix(".0") in have:  # a single device of its kind has no number
        return device.removesuffix(".0")
    if device not in (*have, *(name.partition(".")[0] for name in have)):
        names = [name.lower() for name in (*have, *COMPOSITE)]
        raise UnknownName(unknown("backend openvino on this machine", device.lower(), names))
    return device


def _parts(device: str, have: list[str]) -> list[str]:
    """The parts of a `COMPOSITE` device; "AUTO:-GPU" means all but the GPU."""
    _, _, rest = device.partition(":")
    named = [name.partition("(")[0] for name in rest.split(",") if name]
    left_out = [name[1:] for name in named if name.startswith("-")]
    return [name for name in named if name[0] != "-"] or [n for n in have if n not in left_out]


def _capabilities(core: Any, device: str) -> set[str]:
    """Capabilities that all parts of `device` share, in OpenVINO's names: {"FP32", "BF16", ...}."""
    kind, _, _ = device.partition(":")
    parts = _parts(device, core.available_devices) if kind in COMPOSITE else [device]
    with _engine.running("openvino", "openvino"):
        each = [set(core.get_property(part, "OPTIMIZATION_CAPABILITIES")) for part in parts]
    able = set.intersection(*each)
    return able - {"EXPORT_IMPORT"} if kind in COMPOSITE else able


def _precisions(able: set[str]) -> tuple[str, ...]:
    return tuple(name for name in PRECISIONS if name == "fp32" or name.upper() in able)


def _compile(
    core: Any, path: Path, scores: bool, device: str, how: dict[str, Any], exports: bool
) -> Any:
    """Compile the network, or load it from the user's cache."""
    if not exports:  # OpenVINO's own cache saves compiling, but not reading the file
        with contextlib.suppress(OSError):
            how = {**how, "CACHE_DIR": str(assets.cache_folder("openvino"))}
        with _engine.running("openvino", "openvino"):
            return core.compile_model(_read(path, scores), device, how)
    processor = core.get_property(device, "FULL_DEVICE_NAME")
    key = _cache.key(_cache.digest(path), scores, openvino.get_version(), device, processor, how)
    if blob := _cache.read("openvino", key):
        # If it does not load, for example after a driver update, compile again.
        with contextlib.suppress(RuntimeError):
            compiled = core.import_model(blob, device, how)
            _check(path, compiled, scores)
            return compiled
    model = _read(path, scores)
    with _engine.running("openvino", "openvino"):
        compiled = core.compile_model(model, device, how)
    _cache.write("openvino", key, compiled.export_model().getvalue())
    return compiled


def _read(path: Path, scores: bool) -> Any:
    # Core.read_model tries every front end, and TensorFlow's prints a page about a broken ONNX file
    # (2026.4); so use only the ONNX one.
    reader = FrontEndManager().load_by_framework("onnx")
    network = io.BytesIO(_scores_graph.with_scores(path)) if scores else str(path)
    with _engine.reading(path, "openvino"):
        model = reader.convert(reader.load(network))
    _check(path, model, scores)
    return model


def _check(path: Path, network: Any, scores: bool) -> None:
    _engine.check_network(path, _kinds(network.inputs), _kinds(network.outputs), scores)


def _kinds(ports: list[Any]) -> list[_engine.TensorKind]:
    return [(port.get_element_type().to_dtype().name, list(port.partial_shape)) for port in ports]
