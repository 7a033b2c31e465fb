"""OpenVINO: the exported graph on Intel and AMD processors, in bf16 where they have it.

OpenVINO defaults to bf16 on such a processor; the precision is always stated here, so that what is
printed is what runs. See https://docs.openvino.ai, "Precision Control".
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino.frontend import FrontEndManager

from lanes import assets
from lanes.backends import _engine
from lanes.errors import BadOutput, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Pending

HINTS = {"fp32": "f32", "bf16": "bf16"}
PRECISIONS = tuple(HINTS)


class OpenVinoBackend(_engine.Engine):
    """See `lanes.types.Backend`; `depth` infer requests take turns."""

    name = library = "openvino"

    def __init__(self, compiled: Any, device: str, precision: str) -> None:
        """Run `compiled`, whose input is uint8 (1, H, W, 3)."""
        super().__init__(device, precision, compiled.input(0).shape)
        self.free = [compiled.create_infer_request() for _ in range(self.depth)]

    def _start(self, images: ImageBatch, pending: Pending) -> tuple[Any, ImageBatch]:
        def finished(_: Any) -> None:
            pending.finished = time.perf_counter()

        # The tensor shares the array's memory, without a copy, which an array with gaps cannot.
        images = np.ascontiguousarray(images)
        request = self.free[-1]
        request.set_callback(finished, None)
        request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
        request.start_async()
        return self.free.pop(), images

    def _wait(self, request: tuple[Any, ImageBatch]) -> LabelBatch:
        # The array beside the request was kept alive for its tensor until here.
        infer_request, _ = request
        self.free.append(infer_request)
        infer_request.wait()
        return np.array(infer_request.get_output_tensor(0).data, np.uint8)

    def close(self) -> None:
        """Free the requests, and with the last of them the compiled model."""
        super().close()
        self.free.clear()


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """The precisions that can run on this machine: bf16 only where the processor has it."""
    able = openvino.Core().get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name in PRECISIONS if name != "bf16" or "BF16" in able)


def load(
    folder: Path, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> OpenVinoBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    path = _engine.onnx_path(folder)
    core = openvino.Core()
    known = [name.lower() for name in core.available_devices]
    device = device.lower()
    if device not in known:
        raise UnknownName(unknown("backend openvino on this machine", device, known))
    able = precisions(device)
    _engine.check_precision("openvino", precision, able)
    if precision == "auto":
        precision = "bf16" if "bf16" in able else "fp32"
    model = _read(path)
    with _engine.reading(path, "openvino"):
        compiled = core.compile_model(model, device.upper(), _options(precision, threads))
    return OpenVinoBackend(compiled, device, precision)


def _read(path: Path) -> Any:
    # Core.read_model asks every front end in turn, and TensorFlow's prints a page about a broken
    # ONNX file (2026.4); so the one that is meant is asked alone.
    reader = FrontEndManager().load_by_framework("onnx")
    with _engine.reading(path, "openvino"):
        model = reader.convert(reader.load(str(path)))
    _engine.check_network(path, _kinds(model.inputs), _kinds(model.outputs))
    return model


def _kinds(ports: list[Any]) -> list[_engine.TensorKind]:
    return [(port.get_element_type().to_dtype().name, list(port.partial_shape)) for port in ports]


def _options(precision: str, threads: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    # Compiling anew takes a second: no reason to refuse a user whose home cannot be written.
    with contextlib.suppress(BadOutput):
        options["CACHE_DIR"] = str(assets.cache_folder("openvino"))
    return options
