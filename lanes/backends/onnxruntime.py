"""ONNX Runtime: the exported graph in fp32 on any CPU (https://onnxruntime.ai)."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from lanes.backends import _engine
from lanes.errors import UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Pending

PRECISIONS = ("fp32",)
PROVIDERS = {"cpu": "CPUExecutionProvider"}
FATAL = 4
"""Only fatal messages are logged: every other one is raised as well."""


class OnnxRuntimeBackend(_engine.Engine):
    """See `lanes.types.Backend`; runs in a thread of its own, so that `submit` returns at once."""

    name = library = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession, device: str) -> None:
        """Run `session`, whose input is uint8 (1, H, W, 3)."""
        super().__init__(device, "fp32", session.get_inputs()[0].shape)
        self.session = session
        self.input_name = session.get_inputs()[0].name
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="onnxruntime")

    def _start(self, images: ImageBatch, pending: Pending) -> Future[LabelBatch]:
        return self.worker.submit(self._run, images, pending)

    def _run(self, images: ImageBatch, pending: Pending) -> LabelBatch:
        labels = self.session.run(None, {self.input_name: images})[0]
        pending.finished = time.perf_counter()
        return np.asarray(labels, np.uint8)

    def _wait(self, request: Future[LabelBatch]) -> LabelBatch:
        return request.result()

    def close(self) -> None:
        """End the thread, after what is in flight."""
        super().close()
        self.worker.shutdown()


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """The precisions that can run on this machine."""
    return PRECISIONS


def load(
    folder: Path, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> OnnxRuntimeBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    path = _engine.onnx_path(folder)
    device = device.lower()
    if device not in PROVIDERS:
        raise UnknownName(unknown("backend onnxruntime", device, sorted(PROVIDERS)))
    _engine.check_precision("onnxruntime", precision, precisions(device))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads or 0
    with _engine.reading(path, "onnxruntime"):
        session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDERS[device]])
    _engine.check_network(
        path,
        [(_dtype(tensor.type), tensor.shape) for tensor in session.get_inputs()],
        [(_dtype(tensor.type), tensor.shape) for tensor in session.get_outputs()],
    )
    return OnnxRuntimeBackend(session, device)


def _dtype(kind: str) -> str:
    return kind.removeprefix("tensor(").removesuffix(")")
