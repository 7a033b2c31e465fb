"""A GPU that is not there: CUDA's runtime and TensorRT's, as far as the backend calls them.

Copies and inference happen when a stream is waited for, not before, and in the order in which the
stream was given them: a backend that reads or overwrites too early gets wrong labels. Memory is
real, and what is freed twice, or not at all, is found. Enumerations and texts are those of the
real cuda-bindings; the parser and the builder are TensorRT-RTX's, which need no GPU.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections import deque
from types import SimpleNamespace

import numpy as np

try:
    from cuda.bindings import runtime as real
except ImportError:  # then `rtx_backend.modules` skips the test
    real = None
OK = 0


class FakeCuda:
    """Stands for the module `cuda.bindings.runtime`; `calls` notes what was asked, in order."""

    def __init__(self, driver=13000, gpus=1, memory=1 << 30):
        self.driver, self.gpus, self.memory = driver, gpus, memory
        self.name, self.capability = "Fake GPU", (8, 9)
        self.count_error = OK if gpus else real.cudaError_t.cudaErrorNoDevice
        self.memory_blocks = {}
        self.streams = {}
        self.events = {}  # the stream that each was recorded in last
        self.reached = {}  # and when its turn came
        self.calls = []
        self.broken = None  # the name of a call that fails
        self.current = None
        self.handles = iter(range(1, 1 << 20))

    def __getattr__(self, name):  # enumerations, constants, cudaGetErrorString
        return getattr(real, name)

    def _answer(self, name, *values):
        if self.broken == name:
            return (real.cudaError_t.cudaErrorIllegalAddress, *(None for _ in values))
        return (OK, *values)

    def cudaDriverGetVersion(self):
        return OK, self.driver

    def cudaRuntimeGetVersion(self):
        return OK, 13000

    def cudaGetDeviceCount(self):
        return self.count_error, None if self.count_error else self.gpus

    def cudaSetDevice(self, number):
        assert 0 <= number < self.gpus
        self.current = number
        return (OK,)

    def cudaGetDeviceProperties(self, number):
        major, minor = self.capability
        name = f"{self.name} {number}".encode()
        return OK, SimpleNamespace(name=name, major=major, minor=minor)

    def cudaMemGetInfo(self):
        return OK, self.memory - self.taken, self.memory

    @property
    def taken(self):
        return sum(len(block) for block in self.memory_blocks.values())

    def _allocate(self, size):
        if self.taken + size > self.memory:
            return real.cudaError_t.cudaErrorMemoryAllocation, None
        block = ctypes.create_string_buffer(size)
        self.memory_blocks[ctypes.addressof(block)] = block
        return OK, ctypes.addressof(block)

    def cudaHostAlloc(self, size, flags):
        return self._allocate(size)

    def cudaMalloc(self, size):
        return self._allocate(size)

    def cudaFree(self, address):
        del self.memory_blocks[address]
        return (OK,)

    cudaFreeHost = cudaFree

    def cudaStreamCreateWithFlags(self, flags):
        assert flags == real.cudaStreamNonBlocking
        handle = next(self.handles)
        self.streams[handle] = deque()
        return OK, real.cudaStream_t(handle)

    def cudaStreamDestroy(self, stream):
        del self.streams[int(stream)]
        return (OK,)

    def cudaEventCreateWithFlags(self, flags):
        assert flags == real.cudaEventBlockingSync
        handle = next(self.handles)
        self.events[handle] = None
        return OK, real.cudaEvent_t(handle)

    def cudaEventDestroy(self, event):
        del self.events[int(event)]
        self.reached.pop(int(event), None)
        return (OK,)

    def cudaEventRecord(self, event, stream):
        self.events[int(event)] = self.streams[int(stream)]
        self.enqueue(int(stream), event)
        return self._answer("cudaEventRecord")

    def cudaEventSynchronize(self, event):
        """Do what the event's stream was given before it."""
        stream = self.events[int(event)]
        while stream:
            work = stream.popleft()
            if callable(work):
                work()
            else:
                self.reached[int(work)] = time.perf_counter()
            if work is event:
                break
        self.calls.append("wait")
        return self._answer("cudaEventSynchronize")

    def cudaEventElapsedTime(self, first, last):
        return OK, (self.reached[int(last)] - self.reached[int(first)]) * 1e3

    def cudaMemcpyAsync(self, to, whence, count, kind, stream):
        assert count <= len(self._block(to))
        assert count <= len(self._block(whence))
        self.enqueue(int(stream), lambda: ctypes.memmove(to, whence, count))
        self.calls.append(kind.name.removeprefix("cudaMemcpy"))
        return self._answer("cudaMemcpyAsync")

    def enqueue(self, stream, work):
        self.streams[stream].append(work)

    def _block(self, address):
        return self.memory_blocks[address]

    def array(self, address, shape):
        """The memory at `address` as an array."""
        return np.frombuffer(self._block(address), np.uint8)[: np.prod(shape)].reshape(shape)


class FakeNvml:
    """Stands for the module `cuda.bindings.nvml`."""

    class NvmlError(Exception):
        pass

    def __init__(self, driver="580.82.07"):
        self.driver = driver

    def init_v2(self):
        if self.driver is None:
            raise RuntimeError("no libnvidia-ml")

    def system_get_driver_version(self):
        return self.driver

    def shutdown(self):
        pass


class FakeTensorRt:
    """TensorRT's runtime on `cuda`: reads what a builder wrote, and labels by `label`."""

    def __init__(self, trt, cuda, label, size):
        self.trt, self.cuda, self.label, self.size = trt, cuda, label, size
        self.read = []  # the engines that were deserialised
        self.unreadable = 0  # so many engines that it cannot read
        self.no_context = self.fails = ""  # messages, if it is to fail
        self.information = inspected("half")

    def Runtime(self, logger):
        return SimpleNamespace(deserialize_cuda_engine=lambda engine: self._read(engine))

    def _read(self, engine):
        if self.unreadable:
            self.unreadable -= 1
            self.error("Serialization assertion failed")
            return None
        self.read.append(engine)
        return FakeEngine(self)

    def error(self, message):
        self.logger.log(self.trt.ILogger.ERROR, message)


class FakeEngine:
    def __init__(self, tensorrt):
        self.tensorrt = tensorrt
        self.shapes = {"labels": (1, *tensorrt.size), "images": (1, *tensorrt.size, 3)}
        self.num_io_tensors = 2

    def get_tensor_name(self, index):
        return list(self.shapes)[index]

    def get_tensor_mode(self, name):
        modes = self.tensorrt.trt.TensorIOMode
        return modes.INPUT if name == "images" else modes.OUTPUT

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def create_engine_inspector(self):
        return SimpleNamespace(get_engine_information=lambda form: self.tensorrt.information)

    def create_execution_context(self):
        if self.tensorrt.no_context:
            self.tensorrt.error(self.tensorrt.no_context)
            return None
        return FakeContext(self)


class FakeContext:
    """Runs in one stream only, as TensorRT demands."""

    def __init__(self, engine):
        self.engine, self.addresses, self.stream = engine, {}, None

    def set_tensor_address(self, name, memory):
        assert name in self.engine.shapes
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        tensorrt = self.engine.tensorrt
        cuda = tensorrt.cuda
        assert self.stream in (None, stream_handle)
        self.stream = stream_handle
        if tensorrt.fails:
            tensorrt.error(tensorrt.fails)
            return False

        def run():
            images, labels = (
                cuda.array(self.addresses[name], self.engine.shapes[name])
                for name in ("images", "labels")
            )
            labels[:] = tensorrt.label(images)

        cuda.enqueue(stream_handle, run)
        cuda.calls.append("Execute")
        return True


def inspected(*kinds):
    """What the engine inspector says of convolutions of these types, in TensorRT 10's words."""
    words = {"half": "Channel major FP16 format where channel % 8 == 0", "float": "Row major FP32"}
    layers = [
        {
            "Name": f"conv {number}",
            "LayerType": "CaskConvolution",
            "Inputs": [{"Name": "x", "Format/Datatype": words.get(kind, "N/A")}],
            "Outputs": [{"Name": "y", "Format/Datatype": words.get(kind, "N/A")}],
        }
        for number, kind in enumerate(kinds)
    ]
    return json.dumps({"Layers": [{"Name": "resize", "LayerType": "Resize"}, *layers]})
