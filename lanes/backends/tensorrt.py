"""TensorRT 10 and 11: runs the exported graph on NVIDIA GPUs, in half or fp32.

The first use builds an engine, which takes seconds to minutes, checks it against ONNX Runtime and
keeps it in the user's cache, per network, TensorRT version, kind of GPU and driver. For fp16,
`_float16_graph` converts the network. Two batches are in flight, each with its own stream,
execution context and memory, so that one is copied while the other is computed. (A context may run
in only one stream at a time: see TensorRT's documentation of `IExecutionContext::enqueueV3`.)
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tensorrt as trt

from lanes import card as cards
from lanes import plugins
from lanes.backends import _cache, _engine, _tensorrt_build, _tensorrt_check, _tensorrt_gpu
from lanes.backends._tensorrt_build import LOG, refusal
from lanes.backends._tensorrt_check import PARITY, LayerTypes, parity
from lanes.backends._tensorrt_gpu import Gpu, Slot
from lanes.errors import MissingDependency
from lanes.types import ImageBatch, LabelBatch, Pending

__all__ = ["DEVICE", "PARITY", "TensorRtBackend", "facts", "load", "parity", "precisions"]

DEVICE = _tensorrt_gpu.KIND
PRECISIONS = ("fp16", "fp32")
"""Fastest first."""
CACHE = "tensorrt"
RECIPE = 2
"""Raise this when the build or the conversion to half changes: it invalidates older engines."""

Request = tuple[Slot, trt.IExecutionContext, Pending]


class TensorRtBackend(_engine.Engine):
    """See `lanes.types.Backend`; `depth` slots take turns."""

    name = library = "tensorrt"

    def __init__(self, engine: trt.ICudaEngine, gpu: Gpu, precision: str) -> None:
        """Run `engine` on `gpu`; raises `BackendError` if the GPU is out of memory."""
        self.engine, self.gpu = engine, gpu
        images, labels = _names(engine)
        shape = tuple(engine.get_tensor_shape(images))
        super().__init__(f"{DEVICE}:{gpu.number}", precision, shape)
        self.free: deque[tuple[Slot, trt.IExecutionContext]] = deque()
        with ExitStack() as made:
            for _ in range(self.depth):
                slot = Slot(gpu, shape, tuple(engine.get_tensor_shape(labels)))
                made.callback(slot.close)
                context = engine.create_execution_context()
                if context is None:
                    raise refusal("run the engine")
                context.set_tensor_address(images, slot.images_there)
                context.set_tensor_address(labels, slot.labels_there)
                self.free.append((slot, context))
            made.pop_all()

    def layers(self) -> LayerTypes:
        """The layers' types, as the engine inspector reports them."""
        inspector = self.engine.create_engine_inspector()
        report = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
        return _tensorrt_check.layer_types(report)

    def _start(self, images: ImageBatch, pending: Pending) -> Request:
        slot, context = self.free[0]
        np.copyto(slot.images, images)
        slot.upload()
        if not context.execute_async_v3(slot.stream):
            raise refusal("run the network")
        slot.download()
        self.free.popleft()
        return slot, context, pending

    def _wait(self, request: Request) -> LabelBatch:
        slot, context, pending = request
        try:
            pending.finished = slot.wait()
            return slot.labels.copy()
        finally:
            if self.closed:
                slot.close()
            else:
                self.free.append((slot, context))

    def close(self) -> None:
        """Free the GPU memory; that of a batch in flight is freed when its result is taken."""
        super().close()
        while self.free:
            slot, _ = self.free.popleft()
            slot.close()


def precisions(device: str = DEVICE) -> tuple[str, ...]:
    """The precisions of `device`.

    Raises:
        BackendError: this machine has no NVIDIA GPU or driver.
        UnknownName: it has a GPU, but not `device`.
    """
    _tensorrt_gpu.find(device)
    return PRECISIONS


def load(
    folder: Path, precision: str = "auto", device: str = DEVICE, threads: int | None = None
) -> TensorRtBackend:
    """Load the engine of `folder`; builds it if it is not in the user's cache.

    See `lanes.backends.load`. "auto" is fp16.

    Raises:
        MissingDependency: building an fp16 engine needs onnx, which is not installed.
        BackendError: there is no GPU or driver, TensorRT does not support a node, the engine's
            labels differ from ONNX Runtime's, the GPU is out of memory, ...
    """
    path = _engine.onnx_path(folder)
    _engine.check_precision("tensorrt", precision, PRECISIONS)
    precision = PRECISIONS[0] if precision == "auto" else precision
    gpu = _tensorrt_gpu.find(device)
    gpu.select()
    key = engine_key(path, precision, gpu)
    return _kept(key, gpu, precision) or _built(path, key, gpu, precision)


def facts(device: str = DEVICE) -> str:
    """One line on TensorRT, GPU, driver and memory; raises the same errors as `precisions`."""
    gpu = _tensorrt_gpu.find(device)
    free, total = (count >> 20 for count in gpu.free_memory())
    return (
        f"TensorRT {trt.__version__}, {gpu.name} (compute capability {gpu.capability}), driver "
        f"{gpu.driver}, {free} of {total} MiB free"
    )


def engine_key(path: Path, precision: str, gpu: Gpu) -> str:
    """The cache key of a network's engine, made of everything that the engine depends on."""
    card = cards.read(path.parent)
    kept = card.half_keep if precision == "fp16" else ()
    return _cache.key(
        *(RECIPE, _cache.digest(path), card.resize.size, precision, kept),
        *(trt.__version__, gpu.name, gpu.capability, gpu.driver),
    )


def _kept(key: str, gpu: Gpu, precision: str) -> TensorRtBackend | None:
    """The backend with the cached engine; None if it is missing or cannot be read."""
    kept = _cache.read(CACHE, key)
    # The file repeats the key, which catches a renamed or foreign file.
    if kept is None or not kept.startswith(key.encode()):
        return None
    engine = _deserialised(kept[len(key) :])
    if engine is None:
        LOG.take()
        return None
    return TensorRtBackend(engine, gpu, precision)


def _built(path: Path, key: str, gpu: Gpu, precision: str) -> TensorRtBackend:
    """The backend with a new engine, which is cached once it passes the checks."""
    timing_key = _cache.key("timings", trt.__version__, gpu.name, gpu.capability, gpu.driver)
    network = path.read_bytes() if precision == "fp32" else _in_half(path.parent)
    built = _tensorrt_build.build(path, network, _cache.read(CACHE, timing_key) or b"")
    _cache.write(CACHE, timing_key, built.timings)
    engine = _deserialised(built.engine)
    if engine is None:
        raise refusal(f"read the engine that it built from {path}")
    backend = TensorRtBackend(engine, gpu, precision)
    try:
        if precision == "fp16":
            _tensorrt_check.check_layers(backend.layers(), built.float_layers)
        _tensorrt_check.check_parity(backend, path.parent)
    except BaseException:
        backend.close()
        raise
    _cache.write(CACHE, key, key.encode() + built.engine)
    return backend


def _in_half(folder: Path) -> bytes:
    try:
        # Imported here because it takes 0.1 s and only new engines need it.
        from lanes.backends import _float16_graph as half
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"tensorrt fp16 needs {error.name!r}, not installed: {plugins.pip_command('tensorrt')}"
        ) from error
    return bytes(half.of_folder(folder).SerializeToString())


def _deserialised(serialized: bytes) -> trt.ICudaEngine | None:
    return trt.Runtime(LOG).deserialize_cuda_engine(serialized)


def _names(engine: trt.ICudaEngine) -> list[str]:
    """The names of the image and label tensors, in this order."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return sorted(names, key=lambda n: engine.get_tensor_mode(n) != trt.TensorIOMode.INPUT)
