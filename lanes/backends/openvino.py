"""OpenVINO: the exported graph on Intel, AMD and ARM processors, and Intel's GPUs and NPUs.

OpenVINO takes a precision as a hint and silently another one where a device lacks it: on processors
with bf16 it even defaults to that. So a precision is offered only where the device computes in it,
and what was compiled is asked what it became. See https://docs.openvino.ai, "Precision Control" and
"High-level Performance Hints".
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from lanes import assets
from lanes.backends import _cache, _engine
from lanes.errors import BackendError, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch

# OpenVINO (2026.4) imports its model converter, which takes twice the time of all the rest, and
# tells Google Analytics of every import unless the user has forbidden it.
with _engine.without("openvino.tools.ovc"):
    import openvino
    from openvino.frontend import FrontEndManager

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
PRECISIONS = tuple(HINTS)
FASTEST = ("bf16", "fp16", "fp32")
"""What "auto" takes: the first of these that the device computes in."""
COMPOSITE = ("AUTO", "MULTI", "HETERO")
"""Devices made of others: "AUTO", "AUTO:GPU,CPU", "MULTI:GPU,CPU", ..."""


class OpenVinoBackend(_engine.ThreadedEngine):
    """See `lanes.types.Backend`; `depth` infer requests take turns.

    Nothing of Python is handed to OpenVINO, neither a callback nor an array: its threads let go of
    it when they like, for which they wait for the interpreter, while the interpreter waits for them
    in the destructor of the model (2026.4). So images are copied, and a thread of ours waits.
    """

    name = library = "openvino"

    def __init__(self, compiled: Any, precision: str) -> None:
        """Run `compiled`, whose input is uint8 (1, H, W, 3)."""
        # AUTO writes a device in brackets while it only stands in for another.
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

    def _run(self, begun: Any) -> LabelBatch:
        try:
            begun.wait()
            return np.array(begun.get_output_tensor(0).data, np.uint8)
        finally:
            self.free.append(begun)

    def close(self) -> None:
        """Free the requests, and with the last of them the compiled model."""
        super().close()
        self.free.clear()


def precisions(device: str = "cpu", folder: Path | None = None) -> tuple[str, ...]:
    """The precisions that `device` computes in; int8 too if `folder` has a quantised network."""
    core = openvino.Core()
    able = _capabilities(core, _known(core, device))
    return _engine.with_int8(_precisions(able), folder)


def load(
    folder: Path,
    precision: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
    hint: str = "latency",
) -> OpenVinoBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    _engine.onnx_path(folder)
    core = openvino.Core()
    device = _known(core, device)
    able = _capabilities(core, device)
    known = _precisions(able)
    _engine.check_precision("openvino", precision, (*known, _engine.INT8))
    fastest = next(name for name in FASTEST if name in known)
    precision = fastest if precision == "auto" else precision
    path = _engine.network_path(folder, precision)
    # What a quantised network has besides int8 runs in the fastest other precision.
    floats = HINTS[fastest if precision == _engine.INT8 else precision]
    compiled = _compile(core, path, device, options(floats, threads, hint), "EXPORT_IMPORT" in able)
    if device.partition(":")[0] not in COMPOSITE:  # which do not tell
        became = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if became != floats:
            raise BackendError(
                f"openvino computes in {became} on {device}, asked for {floats}: ask for another "
                "precision, or for auto"
            )
    return OpenVinoBackend(compiled, precision)


def options(floats: str, threads: int | None, hint: str) -> dict[str, Any]:
    """How every network is compiled here; `floats` is one of the values of `HINTS`."""
    found: dict[str, Any] = {"INFERENCE_PRECISION_HINT": floats, "PERFORMANCE_HINT": hint.upper()}
    if threads:
        found["DEVICE_PROPERTIES"] = {"CPU": {"INFERENCE_NUM_THREADS": threads}}
    return found


def depth_of(compiled: Any) -> int:
    """One more than run at a time, so that no stream waits for the caller."""
    return int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1


def _known(core: Any, device: str) -> str:
    """OpenVINO's name of `device`; raises `UnknownName` for what this machine does not have."""
    device = device.upper()
    if device == "CPU":  # looking for all the others takes longer than loading this one
        return device
    have = core.available_devices
    kind, _, _ = device.partition(":")
    parts = _parts(device, have) if kind in COMPOSITE else []
    for part in parts:
        _known(core, part)
    if parts:
        return device
    if device.removesuffix(".0") in have:  # the only one of its kind has no number
        return device.removesuffix(".0")
    if device not in (*have, *(name.partition(".")[0] for name in have)):
        names = [name.lower() for name in (*have, *COMPOSITE)]
        raise UnknownName(unknown("backend openvino on this machine", device.lower(), names))
    return device


def _parts(device: str, have: list[str]) -> list[str]:
    """The devices that one of `COMPOSITE` is made of: "AUTO:-GPU" is all but that."""
    _, _, rest = device.partition(":")
    named = [name.partition("(")[0] for name in rest.split(",") if name]
    left_out = [name[1:] for name in named if name.startswith("-")]
    return [name for name in named if name[0] != "-"] or [n for n in have if n not in left_out]


def _capabilities(core: Any, device: str) -> set[str]:
    """What every part of `device` can do, in OpenVINO's words: {"FP32", "BF16", ...}."""
    kind, _, _ = device.partition(":")
    parts = _parts(device, core.available_devices) if kind in COMPOSITE else [device]
    with _engine.running("openvino", "openvino"):
        each = [set(core.get_property(part, "OPTIMIZATION_CAPABILITIES")) for part in parts]
    able = set.intersection(*each)
    return able - {"EXPORT_IMPORT"} if kind in COMPOSITE else able


def _precisions(able: set[str]) -> tuple[str, ...]:
    return tuple(name for name in PRECISIONS if name == "fp32" or name.upper() in able)


def _compile(core: Any, path: Path, device: str, how: dict[str, Any], exports: bool) -> Any:
    """The network ready to run; from the user's cache, where it was compiled before."""
    if not exports:  # OpenVINO's own cache still saves compiling, but not reading the file
        with contextlib.suppress(OSError):
            how = {**how, "CACHE_DIR": str(assets.cache_folder("openvino"))}
        with _engine.running("openvino", "openvino"):
            return core.compile_model(_read(path), device, how)
    processor = core.get_property(device, "FULL_DEVICE_NAME")
    key = _cache.key(_cache.digest(path), openvino.get_version(), device, processor, how)
    if blob := _cache.read("openvino", key):
        # What does not load here, such as after a change of drivers, is made anew.
        with contextlib.suppress(RuntimeError):
            compiled = core.import_model(blob, device, how)
            _check(path, compiled)
            return compiled
    model = _read(path)
    with _engine.running("openvino", "openvino"):
        compiled = core.compile_model(model, device, how)
    _cache.write("openvino", key, compiled.export_model().getvalue())
    return compiled


def _read(path: Path) -> Any:
    # Core.read_model asks every front end in turn, and TensorFlow's prints a page about a broken
    # ONNX file (2026.4); so the one that is meant is asked alone.
    reader = FrontEndManager().load_by_framework("onnx")
    with _engine.reading(path, "openvino"):
        model = reader.convert(reader.load(str(path)))
    _check(path, model)
    return model


def _check(path: Path, network: Any) -> None:
    _engine.check_network(path, _kinds(network.inputs), _kinds(network.outputs))


def _kinds(ports: list[Any]) -> list[_engine.TensorKind]:
    return [(port.get_element_type().to_dtype().name, list(port.partial_shape)) for port in ports]
