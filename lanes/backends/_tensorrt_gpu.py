"""The CUDA calls of the TensorRT backend: finding a GPU, its memory and its streams.

The rest of the backend always calls this first: without a driver, TensorRT may kill the process
when it reads an engine, while the CUDA runtime returns an error.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from cuda.bindings import nvml, runtime
from numpy.typing import NDArray

from lanes.errors import BackendError, UnknownName
from lanes.plugins import unknown

KIND = "cuda"
"""Devices are called "cuda" (the first), "cuda:0", "cuda:1", ..."""
INSTEAD = "run the model on the CPU (backend openvino or onnxruntime)"
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU: its `number` on this machine, and the facts that its engines depend on."""

    number: int
    name: str
    capability: str
    """NVIDIA's compute capability: "8.9"."""
    driver: str
    """The driver's version: "580.82.07"."""

    def select(self) -> None:
        """Make this the GPU of this thread's CUDA calls."""
        _done(runtime.cudaSetDevice(self.number))

    def free_memory(self) -> tuple[int, int]:
        """Free and total memory, in bytes."""
        self.select()
        free, total = _done(runtime.cudaMemGetInfo())
        return int(free), int(total)


def find(device: str) -> Gpu:
    """The GPU of that name.

    Raises:
        BackendError: there is no driver, it is too old, or it finds no GPU.
        UnknownName: there are GPUs, but none of that name.
    """
    names = [f"{KIND}:{number}" for number in range(_count())]
    asked = f"{KIND}:0" if device.lower() == KIND else device.lower()
    if asked not in names:
        known = [KIND, *names]
        raise UnknownName(unknown("backend tensorrt on this machine", device.lower(), known))
    number = names.index(asked)
    properties: runtime.cudaDeviceProp = _done(runtime.cudaGetDeviceProperties(number))
    name = properties.name.decode(errors="replace").rstrip("\0")
    return Gpu(number, name, f"{properties.major}.{properties.minor}", _driver())


def _count() -> int:
    """The number of GPUs, at least 1; raises `BackendError` without a GPU."""
    supported = int(_done(runtime.cudaDriverGetVersion()))
    if not supported:
        raise BackendError(
            "tensorrt needs an NVIDIA GPU and its driver, and this machine has no NVIDIA driver: "
            f"install it from https://www.nvidia.com/drivers, or {INSTEAD}"
        )
    error, count = runtime.cudaGetDeviceCount()
    if error == runtime.cudaError_t.cudaErrorInsufficientDriver:
        wanted = int(_done(runtime.cudaRuntimeGetVersion()))
        raise BackendError(
            f"the NVIDIA driver supports CUDA {_version(supported)}, the installed cuda-bindings "
            f"need {_version(wanted)}: update the driver, install cuda-bindings and tensorrt for "
            f"the older CUDA, or {INSTEAD}"
        )
    if error == runtime.cudaError_t.cudaErrorNoDevice or count == 0:
        raise BackendError(
            "there is an NVIDIA driver, but no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES, "
            f"or {INSTEAD}"
        )
    return int(_done((error, count)))


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str:
    """The driver version, or its CUDA version if there is no NVML (Jetson)."""
    try:
        nvml.init_v2()
        try:
            return str(nvml.system_get_driver_version())
        finally:
            nvml.shutdown()
    except (RuntimeError, nvml.NvmlError):
        return f"CUDA {_version(int(_done(runtime.cudaDriverGetVersion())))}"


def _done(answer: tuple[Any, ...]) -> Any:
    """The result of a CUDA call; raises `BackendError` if it failed."""
    error, *values = answer
    if error == runtime.cudaError_t.cudaErrorMemoryAllocation:
        raise out_of_memory("CUDA cannot allocate")
    if error != runtime.cudaError_t.cudaSuccess:
        text = runtime.cudaGetErrorString(error)[1].decode()
        raise BackendError(f"CUDA failed: {text} ({error.name})")
    return values[0] if len(values) == 1 else values


def out_of_memory(reason: str) -> BackendError:
    """The error for a GPU that is out of memory, with how much is free."""
    error, *memory = runtime.cudaMemGetInfo()
    free = "" if error else f"; {memory[0] // MEBIBYTE} of {memory[1] // MEBIBYTE} MiB are free"
    return BackendError(
        f"the GPU is out of memory ({reason}{free}): close other programs that use the GPU, choose "
        f"another one, or {INSTEAD}"
    )


class Slot:
    """One batch on a GPU: its stream, and its input and output memory on host and device.

    `images` (N, H, W, 3) and `labels` (N, H, W) are arrays in pinned memory, which the GPU copies
    while the CPU carries on. Calls on one slot run in order, and in parallel with other slots.
    """

    def __init__(self, gpu: Gpu, images: Sequence[int], labels: Sequence[int]) -> None:
        """Allocate memory for arrays of these shapes; raises `BackendError` if that fails."""
        self.gpu = gpu
        gpu.select()
        with ExitStack() as taken:
            self.images, self.images_there = _memory(images, taken)
            self.labels, self.labels_there = _memory(labels, taken)
            self._stream = _done(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
            taken.callback(runtime.cudaStreamDestroy, self._stream)
            self._first, self._last = _event(taken), _event(taken)
            self._taken = taken.pop_all()
        self.stream = int(self._stream)
        """The stream's handle, for TensorRT."""
        self.began = 0.0

    def upload(self) -> None:
        """Start copying `images` to the GPU."""
        self.gpu.select()
        self.began = time.perf_counter()
        _done(runtime.cudaEventRecord(self._first, self._stream))
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.images_there, self.images.ctypes.data, self.images.nbytes, kind)

    def download(self) -> None:
        """Queue the copy of the labels back to the host."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(self.labels.ctypes.data, self.labels_there, self.labels.nbytes, kind)
        _done(runtime.cudaEventRecord(self._last, self._stream))

    def wait(self) -> float:
        """Wait for all queued work; return when it finished, as a `time.perf_counter()` reading."""
        self.gpu.select()
        _done(runtime.cudaEventSynchronize(self._last))
        milliseconds = _done(runtime.cudaEventElapsedTime(self._first, self._last))
        return float(self.began + milliseconds / 1e3)

    def close(self) -> None:
        """Free the memory and the stream."""
        self._taken.close()

    def _copy(self, to: int, source: int, count: int, kind: Any) -> None:
        _done(runtime.cudaMemcpyAsync(to, source, count, kind, self._stream))


def _memory(shape: Sequence[int], taken: ExitStack) -> tuple[NDArray[np.uint8], int]:
    """An array in pinned memory, and the address of a GPU buffer of the same size."""
    count = prod(shape)
    here = int(_done(runtime.cudaHostAlloc(count, runtime.cudaHostAllocDefault)))
    taken.callback(runtime.cudaFreeHost, here)
    there = int(_done(runtime.cudaMalloc(count)))
    taken.callback(runtime.cudaFree, there)
    array = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(here))
    return array.reshape(tuple(shape)), there


def _event(taken: ExitStack) -> Any:
    # Waiting threads sleep. By default they spin, which takes a core from the decoder.
    event = _done(runtime.cudaEventCreateWithFlags(runtime.cudaEventBlockingSync))
    taken.callback(runtime.cudaEventDestroy, event)
    return event
