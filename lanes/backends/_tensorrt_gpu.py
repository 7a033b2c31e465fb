"""The CUDA calls of the TensorRT backend: which GPU there is, and memory and streams on it.

Everything else of the backend asks here first: without a driver TensorRT may end the process when
it reads an engine, where CUDA's runtime answers with an error.
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
INSTEAD = "run the model on the processor (backend openvino or onnxruntime)"
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU: its `number` among those of the machine, and what engines for it depend on."""

    number: int
    name: str
    capability: str
    """NVIDIA's compute capability: "8.9"."""
    driver: str
    """The driver's version: "580.82.07"."""

    def select(self) -> None:
        """Let this thread's CUDA calls mean this GPU."""
        _done(runtime.cudaSetDevice(self.number))

    def free_memory(self) -> tuple[int, int]:
        """Bytes of memory that are free, and all."""
        self.select()
        free, total = _done(runtime.cudaMemGetInfo())
        return int(free), int(total)


def find(device: str) -> Gpu:
    """The GPU of that name.

    Raises:
        BackendError: there is no driver, it is too old, or it finds no GPU.
        UnknownName: there are GPUs, but not that one.
    """
    names = [f"{KIND}:{number}" for number in range(_count())]
    asked = f"{KIND}:0" if device.lower() == KIND else device.lower()
    if asked not in names:
        known = [KIND, *names]
        raise UnknownName(unknown("backend tensorrt on this machine", device.lower(), known))
    number = names.index(asked)
    told: runtime.cudaDeviceProp = _done(runtime.cudaGetDeviceProperties(number))
    name = told.name.decode(errors="replace").rstrip("\0")
    return Gpu(number, name, f"{told.major}.{told.minor}", _driver())


def _count() -> int:
    """How many GPUs there are, at least 1."""
    supported = int(_done(runtime.cudaDriverGetVersion()))
    if not supported:
        raise BackendError(
            "tensorrt needs an NVIDIA GPU with its driver, and this machine has no such driver: "
            f"install it from https://www.nvidia.com/drivers, or {INSTEAD}"
        )
    error, count = runtime.cudaGetDeviceCount()
    if error == runtime.cudaError_t.cudaErrorInsufficientDriver:
        wanted = int(_done(runtime.cudaRuntimeGetVersion()))
        raise BackendError(
            f"the NVIDIA driver supports CUDA {_version(supported)}, the installed cuda-bindings "
            f"want {_version(wanted)}: update the driver, install cuda-bindings and tensorrt for "
            f"the older CUDA, or {INSTEAD}"
        )
    if error == runtime.cudaError_t.cudaErrorNoDevice or count == 0:
        raise BackendError(
            "there is an NVIDIA driver, but no GPU: look at nvidia-smi and CUDA_VISIBLE_DEVICES, "
            f"or {INSTEAD}"
        )
    return int(_done((error, count)))


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str:
    """The driver's version, or what CUDA it supports where there is no NVML (Jetson)."""
    try:
        nvml.init_v2()
        try:
            return str(nvml.system_get_driver_version())
        finally:
            nvml.shutdown()
    except (RuntimeError, nvml.NvmlError):
        return f"CUDA {_version(int(_done(runtime.cudaDriverGetVersion())))}"


def _done(answer: tuple[Any, ...]) -> Any:
    """What a CUDA call gave; raises `BackendError` if it failed."""
    error, *values = answer
    if error == runtime.cudaError_t.cudaErrorMemoryAllocation:
        raise out_of_memory("CUDA gives none")
    if error != runtime.cudaError_t.cudaSuccess:
        text = runtime.cudaGetErrorString(error)[1].decode()
        raise BackendError(f"CUDA failed: {text} ({error.name})")
    return values[0] if len(values) == 1 else values


def out_of_memory(reason: str) -> BackendError:
    """The error for a GPU whose memory is full, with how much of it is free."""
    error, *told = runtime.cudaMemGetInfo()
    free = "" if error else f"; {told[0] // MEBIBYTE} of {told[1] // MEBIBYTE} MiB are free"
    return BackendError(
        f"the GPU's memory does not suffice ({reason}{free}): close other programs that use the "
        f"GPU, choose another one, or {INSTEAD}"
    )


class Slot:
    """One batch's way through a GPU: its stream, and memory for both ends, here and there.

    `images` (N, H, W, 3) and `labels` (N, H, W) are arrays in pinned memory, which the GPU copies
    by itself while the processor goes on. What is asked of a slot happens in the order of asking,
    and beside that of other slots.
    """

    def __init__(self, gpu: Gpu, images: Sequence[int], labels: Sequence[int]) -> None:
        """Take the memory for arrays of these shapes; raises `BackendError` if there is none."""
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
        """Begin to copy `images` to the GPU."""
        self.gpu.select()
        self.began = time.perf_counter()
        _done(runtime.cudaEventRecord(self._first, self._stream))
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.images_there, self.images.ctypes.data, self.images.nbytes, kind)

    def download(self) -> None:
        """Let the labels be copied back after what was asked before."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(self.labels.ctypes.data, self.labels_there, self.labels.nbytes, kind)
        _done(runtime.cudaEventRecord(self._last, self._stream))

    def wait(self) -> float:
        """Wait for all that was asked; gives when it was done, as `time.perf_counter()` tells."""
        self.gpu.select()
        _done(runtime.cudaEventSynchronize(self._last))
        milliseconds = _done(runtime.cudaEventElapsedTime(self._first, self._last))
        return float(self.began + milliseconds / 1e3)

    def close(self) -> None:
        """Give the memory and the stream back."""
        self._taken.close()

    def _copy(self, to: int, whence: int, count: int, kind: Any) -> None:
        _done(runtime.cudaMemcpyAsync(to, whence, count, kind, self._stream))


def _memory(shape: Sequence[int], taken: ExitStack) -> tuple[NDArray[np.uint8], int]:
    """An array in pinned memory, and the address of as much memory on the GPU."""
    count = prod(shape)
    here = int(_done(runtime.cudaHostAlloc(count, runtime.cudaHostAllocDefault)))
    taken.callback(runtime.cudaFreeHost, here)
    there = int(_done(runtime.cudaMalloc(count)))
    taken.callback(runtime.cudaFree, there)
    array = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(here))
    return array.reshape(tuple(shape)), there


def _event(taken: ExitStack) -> Any:
    # A thread that waits sleeps: by default it would spin, and keep a core from the decoder.
    event = _done(runtime.cudaEventCreateWithFlags(runtime.cudaEventBlockingSync))
    taken.callback(runtime.cudaEventDestroy, event)
    return event
