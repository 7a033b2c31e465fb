"""The TensorRT backend on a real NVIDIA GPU: pytest -m gpu -s (latencies are printed).

With LANES_RTX=CURRENT (see `rtx_backend.instead_of_tensorrt`) it runs over TensorRT-RTX. Until
somebody runs these, nothing of the backend has ever run on a GPU; see docs/gpu.md.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from fractions import Fraction

import cv2
import numpy as np
import pytest

from lanes import assets, backends, card, plugins, segmenter
from lanes.backends import _float16_graph as half
from lanes.datasets import _samples as drawn
from lanes.doctor import gpu
from lanes.errors import BackendError, LanesError, UnknownName
from model_folders import grey, labels_of, make_trained
from rtx_backend import instead_of_tensorrt

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]  # an engine may take minutes
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]
MODELS = [(name, precision) for name in assets.model_names() for precision in ("fp16", "fp32")]


RTX = os.environ.get("LANES_RTX")


@pytest.fixture(scope="module", autouse=True)
def real():
    """The plug-in, on a machine with a GPU and TensorRT."""
    with instead_of_tensorrt(RTX) if RTX else nullcontext():
        try:
            backends.precisions("tensorrt")
        except LanesError as error:
            pytest.skip(str(error))
        yield plugins.load("backends", "tensorrt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network whose labels are known."""
    return make_trained(tmp_path_factory.mktemp("models") / "trained")


@pytest.fixture(params=["fp16", "fp32"])
def backend(request, folder):
    loaded = backends.load("tensorrt", folder, request.param)
    yield loaded
    loaded.close()


@pytest.fixture(params=MODELS, ids=" ".join)
def shipped(request):
    """Every included model, at every precision."""
    name, precision = request.param
    model = assets.model_folder(name)
    loaded = backends.load("tensorrt", model, precision)
    yield model, loaded
    loaded.close()


def test_labels_are_right(backend):
    images = grey([0, 84, 85, 86, 169, 170, 171, 255])[None]
    np.testing.assert_array_equal(backend(images), labels_of(images))
    assert backend.device == "cuda:0"


def test_two_batches_in_flight_come_in_order(backend):
    for _ in range(50):
        first, second = backend.submit(DARK), backend.submit(LIGHT)
        with pytest.raises(BackendError, match="take a result first"):
            backend.submit(DARK)
        np.testing.assert_array_equal(backend.result(first), labels_of(DARK))
        np.testing.assert_array_equal(backend.result(second), labels_of(LIGHT))
        assert first.submitted < first.finished


def test_labels_outlive_the_next_batches(backend):
    labels = backend(DARK)
    backend(LIGHT)
    backend(LIGHT)
    np.testing.assert_array_equal(labels, labels_of(DARK))


def test_closing_in_flight_gives_the_memory_back(folder, real):
    gpu_ = real._tensorrt_gpu.find(real.DEVICE)
    backends.load("tensorrt", folder).close()
    before, _ = gpu_.free_memory()
    for _ in range(20):
        backend = backends.load("tensorrt", folder)
        flying = backend.submit(DARK)
        backend.close()
        np.testing.assert_array_equal(backend.result(flying), labels_of(DARK))
        with pytest.raises(BackendError, match="closed"):
            backend.submit(DARK)
        del backend
    after, _ = gpu_.free_memory()
    assert before - after < 50 << 20


def test_an_engine_is_built_once(tmp_path, monkeypatch, real):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_trained(tmp_path / "own")
    began = time.perf_counter()
    backends.load("tensorrt", folder).close()
    built = time.perf_counter()
    monkeypatch.setattr(real._tensorrt_build, "build", None)  # must not be called again
    backend = backends.load("tensorrt", folder)
    loaded = time.perf_counter()
    print(f"\nbuilt in {built - began:.2f} s, from the cache in {loaded - built:.2f} s")
    np.testing.assert_array_equal(backend(DARK), labels_of(DARK))
    backend.close()


def test_a_damaged_engine_is_built_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_trained(tmp_path / "own")
    backends.load("tensorrt", folder, "fp32").close()
    for path in assets.cache_folder("tensorrt").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    backend = backends.load("tensorrt", folder, "fp32")
    np.testing.assert_array_equal(backend(LIGHT), labels_of(LIGHT))
    backend.close()


def test_unknown_gpu(folder):
    with pytest.raises(UnknownName, match="it has cuda, cuda:0"):
        backends.load("tensorrt", folder, device="cuda:99")


def test_the_inspector_says_half(shipped):
    model, backend = shipped
    types = backend.layers()
    print(f"\n{model.name} {backend.precision}: {types}")
    assert types.unknown == 0
    if backend.precision == "fp16":
        assert not types.fp32
        assert types.half >= 0.9 * weighted(model)
    else:
        assert not types.half


def weighted(model):
    """The layers with weights of a model folder."""
    nodes = half.read(model / card.ONNX).graph.node
    return sum(node.op_type in half.WEIGHTED for node in nodes)


def test_parity_with_onnx_runtime(shipped, real):
    model, backend = shipped
    share = real.parity(backend, model)
    print(f"\n{model.name} {backend.precision}: {share:.4%} of the labels as in ONNX Runtime")
    assert share >= real.PARITY


def test_latency(shipped):
    model, backend = shipped
    _, timing = gpu._time(backend, drawn.images(card.read(model), 2))
    print(f"\n{model.name} {backend.precision}: {timing}")


@pytest.mark.parametrize("size", [(720, 1280), (1080, 1920)])
def test_a_video_from_end_to_end(tmp_path, size):
    import lanes
    from lanes.colour import YuvColour, from_bgr
    from lanes.pipeline.label_video import Options, annotate

    colour = YuvColour("bt709", full_range=False)
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    with lanes.VideoSink(clip, size=size, rate=Fraction(30), colour=colour) as sink:
        for frame in drawn.frames("lanes", 4) * 75:
            sink.write(from_bgr(cv2.resize(frame, size[::-1]), colour))
    with segmenter.load(backend="tensorrt") as model:
        summary = annotate(str(clip), model, Options(output=out))
    rate = summary.frames / summary.seconds
    print(f"\n{size[1]}x{size[0]}: {summary.frames} frames, {rate:.0f} frames/s, written and read")
    assert summary.frames == 300
    with lanes.open_source(str(out)) as source:
        assert sum(1 for _ in source) == 300


def test_the_doctors_check(capsys):
    with capsys.disabled():
        found = gpu.check_gpu()
    assert [check for check in found if not check.ok] == []
