"""Our CUDA calls without TensorRT, on a fake GPU and on a real one.

Both must agree, since other tests rely on the fake GPU. The real one needs a driver and
cuda-bindings: pytest -m gpu tests/backends/test_cuda.py.
"""

from __future__ import annotations

import importlib
import re

import numpy as np
import pytest

from fake_gpu import FakeCuda, FakeNvml
from lanes.errors import BackendError, UnknownName

IMAGES, LABELS = (1, 64, 96, 3), (1, 64, 96)


@pytest.fixture(params=["faked", pytest.param("real", marks=pytest.mark.gpu)])
def cuda(request, monkeypatch):
    """The module with our CUDA calls, on a machine with a GPU."""
    pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    calls = importlib.import_module("lanes.backends._tensorrt_gpu")
    if request.param == "faked":
        monkeypatch.setattr(calls, "runtime", FakeCuda(memory=1 << 26))
        monkeypatch.setattr(calls, "nvml", FakeNvml())
    try:
        calls.find("cuda")
    except BackendError as error:
        pytest.skip(str(error))
    return calls


def test_the_facts_of_the_gpu(cuda):
    gpu = cuda.find("CUDA:0")
    print(f"\n{gpu}")
    assert gpu == cuda.find("cuda")
    assert gpu.name.strip() == gpu.name != ""
    assert re.fullmatch(r"\d+\.\d", gpu.capability)
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", gpu.driver)
    free, total = gpu.free_memory()
    assert 0 < free <= total
    with pytest.raises(UnknownName, match="it has cuda, cuda:0"):
        cuda.find("cuda:99")


def copy_green(cuda, slot):
    """Instead of inference: copy the first third of the images' bytes to the labels."""
    kind = cuda.runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
    slot._copy(slot.labels_there, slot.images_there, slot.labels.nbytes, kind)


def test_what_two_slots_are_asked_happens_in_order(cuda):
    gpu, random = cuda.find("cuda"), np.random.default_rng(0)
    slots = [cuda.Slot(gpu, IMAGES, LABELS) for _ in range(2)]
    assert slots[0].stream != slots[1].stream
    for _ in range(20):
        given = [random.integers(0, 256, IMAGES, np.uint8) for _ in slots]
        for slot, images in zip(slots, given, strict=True):
            slot.images[:] = images
            slot.labels[:] = 0
            slot.upload()
            copy_green(cuda, slot)
            slot.download()
        for slot, images in zip(slots, given, strict=True):
            assert slot.wait() >= slot.began > 0
            np.testing.assert_array_equal(slot.labels.ravel(), images.ravel()[: slot.labels.size])
    for slot in slots:
        slot.close()


def test_memory_is_given_back(cuda):
    gpu = cuda.find("cuda")
    cuda.Slot(gpu, IMAGES, LABELS).close()  # CUDA allocates some for itself at first use
    before, _ = gpu.free_memory()
    large = (1, 1024, 1024, 3)
    for _ in range(20):
        slot = cuda.Slot(gpu, large, large[:3])
        assert before - gpu.free_memory()[0] >= np.prod(large)
        slot.close()
    assert before - gpu.free_memory()[0] < 1 << 20


def test_more_memory_than_there_is(cuda):
    gpu = cuda.find("cuda")
    cuda.Slot(gpu, IMAGES, LABELS).close()
    before, total = gpu.free_memory()
    with pytest.raises(BackendError, match=r"out of memory .* MiB are free\): close"):
        cuda._done(cuda.runtime.cudaMalloc(total * 2))
    assert before - gpu.free_memory()[0] < 1 << 20
    cuda.Slot(gpu, IMAGES, LABELS).close()  # the failure does not stick
