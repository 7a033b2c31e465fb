"""OpenVINO: the exported graph on Intel and AMD processors, in bf16 where they have it.

OpenVINO defaults to bf16 on such a processor; the precision is always stated here, so that what is
printed is what runs. See https://docs.openvino.ai, "Precision Control".
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from lanes import assets
from lanes.backends import _network_file
from lanes.errors import BackendError, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Pending

HINTS = {"fp32": "f32", "bf16": "bf16"}
PRECISIONS = tuple(HINTS)


class OpenVinoBackend:
    """See `lanes.types.Backend`; `depth` infer requests take turns."""

    name = "openvino"
    depth = 2

    def __init__(self, compiled: Any, device: str, precision: str) -> None:
        """Run `compiled`, whose input is uint8 (1, H, W, 3)."""
        self.compiled = compiled
        self.device = device
        self.precision = precision
        self.shape = tuple(compiled.input(0).shape)
        self.free = [compiled.create_infer_request() for _ in range(self.depth)]

    def submit(self, images: ImageBatch) -> Pending:
        """Begin to label `images`, which must not change until the result is taken."""
        _network_file.check_images(images, self.shape)
        _network_file.check_room(self.depth - len(self.free), self.depth)
        request = self.free.pop()
        # The tensor shares the array's memory, without a copy: keep the array alive beside it.
        pending = Pending((request, images), time.perf_counter())

        def finished(_: Any) -> None:
            pending.finished = time.perf_counter()

        request.set_callback(finished, None)
        request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
        request.start_async()
        return pending

    def result(self, pending: Pending) -> LabelBatch:
        """Wait for a batch; raises `BackendError` if the engine failed."""
        request, _ = pending.request
        try:
            request.wait()
            return np.array(request.get_output_tensor(0).data, np.uint8)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed: {error}") from error
        finally:
            self.free.append(request)

    def __call__(self, images: ImageBatch) -> LabelBatch:
        return self.result(self.submit(images))

    def close(self) -> None:
        """Free the requests and the compiled model."""
        self.free.clear()
        self.compiled = None


def load(
    folder: Path, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> OpenVinoBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    path = _network_file.onnx_path(folder)
    _network_file.check_precision("openvino", precision, PRECISIONS)
    core = openvino.Core()
    device = device.upper()
    if device not in core.available_devices:
        raise UnknownName(unknown("OpenVINO's devices here", device, core.available_devices))
    if precision == "auto":
        able = "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if able else "fp32"
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "CACHE_DIR": str(assets.cache_folder("openvino")),
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    try:
        model = core.read_model(path)
        types = [
            [p.get_element_type().to_dtype().name for p in side]
            for side in (model.inputs, model.outputs)
        ]
        _network_file.check_contract(path, types[0], types[1])
        compiled = core.compile_model(model, device, options)
    except RuntimeError as error:
        raise _network_file.unreadable(path, error) from error
    return OpenVinoBackend(compiled, device.lower(), precision)
