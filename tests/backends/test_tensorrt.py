"""The TensorRT backend without a GPU: TensorRT-RTX's builder, and a fake GPU."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import lanes
from lanes import backends
from lanes.colour import YuvColour, from_bgr
from lanes.errors import BackendError, BadInput, UnknownName
from model_folders import SIZE, grey, labels_of

pytest_plugins = ["rtx_backend"]
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


def test_labels_are_right_at_every_precision(tensorrt, folder, engine_cache):
    images = grey([0, 84, 85, 86, 169, 170, 171, 255])[None]
    for precision in ("fp16", "fp32"):
        backend = backends.load("tensorrt", folder, precision)
        np.testing.assert_array_equal(backend(images), labels_of(images))
        assert (backend.name, backend.device) == ("tensorrt", "cuda:0")
        assert backend.precision == precision
        backend.close()


def test_images_with_gaps_in_memory(backend):
    wide = np.repeat(DARK, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(backend(wide), labels_of(wide))


def test_two_batches_are_in_flight_and_come_in_order(backend, cuda):
    cuda.calls.clear()
    first, second = backend.submit(DARK), backend.submit(LIGHT)
    started = ["HostToDevice", "Execute", "DeviceToHost"]
    assert cuda.calls == started * 2  # no call has waited
    with pytest.raises(BackendError, match="take a result first"):
        backend.submit(DARK)
    np.testing.assert_array_equal(backend.result(first), labels_of(DARK))
    third = backend.submit(DARK)
    np.testing.assert_array_equal(backend.result(second), labels_of(LIGHT))
    np.testing.assert_array_equal(backend.result(third), labels_of(DARK))
    assert first.submitted < first.finished
    with pytest.raises(BackendError, match="taken already"):
        backend.result(first)


def test_labels_outlive_the_next_batches(backend):
    labels = [backend(images) for images in (DARK, LIGHT, DARK, LIGHT)]
    for got, images in zip(labels, (DARK, LIGHT, DARK, LIGHT), strict=True):
        np.testing.assert_array_equal(got, labels_of(images))


def test_the_images_may_change_once_they_are_submitted(backend):
    images = DARK.copy()
    flying = backend.submit(images)
    images[:] = 255
    np.testing.assert_array_equal(backend.result(flying), labels_of(DARK))


def test_closing_gives_all_memory_back_even_in_flight(backend, cuda):
    flying = backend.submit(DARK)
    backend.close()
    assert cuda.memory_blocks
    np.testing.assert_array_equal(backend.result(flying), labels_of(DARK))
    assert not cuda.memory_blocks
    assert not cuda.streams
    assert not cuda.events
    with pytest.raises(BackendError, match="closed"):
        backend.submit(DARK)


@pytest.mark.parametrize(
    "images", [DARK[0], DARK[:, 1:], np.repeat(DARK, 2, 0), DARK.astype(np.float32)]
)
def test_wrong_images(backend, images):
    with pytest.raises(BadInput, match=r"wanted uint8 \(1, 64, 96, 3\)"):
        backend.submit(images)
    backend(DARK)


def test_the_gpu_is_chosen_by_its_name(ours, tensorrt, cuda, folder, engine_cache):
    cuda.gpus = 2
    backend = backends.load("tensorrt", folder, device="CUDA:1")
    assert backend.device == "cuda:1"
    assert backend.gpu.name == "Fake GPU 1"
    cuda.current = 0  # as in another thread
    backend(DARK)
    assert cuda.current == 1
    backend.close()
    with pytest.raises(UnknownName, match="no 'cuda:2'; it has cuda, cuda:0, cuda:1"):
        backends.load("tensorrt", folder, device="cuda:2")
    with pytest.raises(UnknownName, match="tensorrt.*'cpu'; it has cuda"):
        backends.load("tensorrt", folder, device="cpu")


def test_precisions(tensorrt, folder, engine_cache):
    assert backends.precisions("tensorrt", folder=folder) == ("fp16", "fp32")
    for asked, wanted in (("auto", "fp16"), ("fp32", "fp32")):
        backend = backends.load("tensorrt", folder, asked)
        assert backend.precision == wanted
        backend.close()
    with pytest.raises(UnknownName, match="'fp61'.*did you mean 'fp16'"):
        backends.load("tensorrt", folder, "fp61")


def test_a_video_goes_through_it(tensorrt, folder, engine_cache, tmp_path):
    colour = YuvColour("bt709", full_range=False)
    with lanes.VideoSink(tmp_path / "a.mp4", size=SIZE, rate=Fraction(25), colour=colour) as sink:
        for value in (0, 100, 250):
            sink.write(from_bgr(np.full((*SIZE, 3), value, np.uint8), colour))
    model = lanes.load(str(folder), "tensorrt")
    with lanes.open_source(str(tmp_path / "a.mp4")) as source, model:
        found = [int(r.labels[32, 48]) for r in lanes.segment(lanes.prefetch(source), model)]
    assert found == [0, 1, 2]
