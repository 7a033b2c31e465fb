"""ONNX Runtime: the exported graph in fp32 on any CPU (https://onnxruntime.ai)."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from lanes.backends import _network_file
from lanes.errors import BackendError, BadModel, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Pending

PRECISIONS = ("fp32",)
PROVIDERS = {"cpu": "CPUExecutionProvider"}


class OnnxRuntimeBackend:
    """See `lanes.types.Backend`; runs in one thread of its own, so that `submit` returns at once."""

    name = "onnxruntime"
    precision = "fp32"
    depth = 2

    def __init__(self, session: onnxruntime.InferenceSession, device: str) -> None:
        """Run `session`, whose input is uint8 (1, H, W, 3)."""
        self.session = session
        self.device = device
        self.shape = tuple(session.get_inputs()[0].shape)
        self.input_name = session.get_inputs()[0].name
        self.in_flight = 0
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="onnxruntime")

    def submit(self, images: ImageBatch) -> Pending:
        """Begin to label `images`, which must not change until the result is taken."""
        _network_file.check_images(images, self.shape)
        _network_file.check_room(self.in_flight, self.depth)
        self.in_flight += 1
        pending = Pending(None, time.perf_counter())
        pending.request = self.worker.submit(self._run, images, pending)
        return pending

    def _run(self, images: ImageBatch, pending: Pending) -> LabelBatch:
        labels = self.session.run(None, {self.input_name: images})[0]
        pending.finished = time.perf_counter()
        return np.asarray(labels, np.uint8)

    def result(self, pending: Pending) -> LabelBatch:
        """Wait for a batch; raises `BackendError` if the engine failed."""
        request: Future[LabelBatch] = pending.request
        self.in_flight -= 1
        try:
            return request.result()
        except RuntimeError as error:
            raise BackendError(f"ONNX Runtime failed: {error}") from error

    def __call__(self, images: ImageBatch) -> LabelBatch:
        return self.result(self.submit(images))

    def close(self) -> None:
        """End the thread."""
        self.worker.shutdown()


def load(
    folder: Path, precision: str = "auto", device: str = "cpu", threads: int | None = None
) -> OnnxRuntimeBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`."""
    path = _network_file.onnx_path(folder)
    _network_file.check_precision("onnxruntime", precision, PRECISIONS)
    if device.lower() not in PROVIDERS:
        raise UnknownName(unknown("backend onnxruntime's devices", device, sorted(PROVIDERS)))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    provider = PROVIDERS[device.lower()]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:
        # Its exception classes are built at import in C++ and share no base but Exception.
        if type(error).__module__.startswith("onnxruntime") or isinstance(error, RuntimeError):
            raise _network_file.unreadable(path, error) from error
        raise
    _check(path, session)
    return OnnxRuntimeBackend(session, device.lower())


def _check(path: Path, session: onnxruntime.InferenceSession) -> None:
    types = [[a.type[7:-1] for a in side] for side in (session.get_inputs(), session.get_outputs())]
    _network_file.check_contract(path, types[0], types[1])
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        raise BadModel(f"{path} takes {shape}; wanted uint8 (1, H, W, 3): {_network_file.CURE}")
