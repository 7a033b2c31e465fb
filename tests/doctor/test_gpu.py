"""`check_gpu`, on a fake GPU and without one."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest

from fake_gpu import FakeTensorRt, inspected
from lanes import assets, backends
from lanes.colour import YuvColour, from_bgr
from lanes.datasets import _samples as drawn
from lanes.doctor import gpu
from lanes.errors import BadModel
from lanes.video import VideoSink
from model_folders import SIZE, make_trained

pytest_plugins = ["rtx_backend"]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The only included model; frames are noise, and the clip is short."""
    folder = make_trained(tmp_path / "trained")
    monkeypatch.setattr(assets, "model_names", lambda: ["trained"])
    monkeypatch.setattr(assets, "model_folder", lambda name: folder)
    monkeypatch.setattr(gpu, "ROUNDS", 5)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).integers(0, 256, (2, 1, *SIZE, 3)).astype(np.uint8)
    monkeypatch.setattr(drawn, "images", lambda card, count=2: list(noise[:count]))
    monkeypatch.setattr(gpu, "demo_files", lambda task: (_clip(tmp_path / "clip.mp4"), None))
    return folder


def _clip(path):
    colour = YuvColour("bt709", full_range=False)
    with VideoSink(path, size=SIZE, rate=Fraction(25), colour=colour) as sink:
        for grey in (10, 100, 200):
            sink.write(from_bgr(np.full((*SIZE, 3), grey, np.uint8), colour))
    return path


@pytest.fixture
def tensorrt(ours, cuda, model, monkeypatch):
    with_onnx = backends.load("onnxruntime", model, "fp32")
    fake = FakeTensorRt(ours.trt, cuda, lambda images: with_onnx(images.copy()), SIZE)
    fake.logger = ours.build.LOG
    monkeypatch.setattr(ours.trt, "Runtime", fake.Runtime)
    monkeypatch.setitem(sys.modules, "lanes.backends.tensorrt", ours.plugin)
    yield fake
    with_onnx.close()


def test_everything_is_tried_and_reported(tensorrt, cuda, capsys):
    found = gpu.check_gpu()
    results = {check.name: check.detail for check in found}
    assert [check.name for check in found if not check.ok] == []
    assert "Fake GPU 0 (compute capability 8.9), driver 580.82.07" in results["TensorRT and GPU"]
    for precision in ("fp16", "fp32"):
        name = f"trained {precision}"
        assert "s the first time," in results[f"{name}: engine"]
        assert results[f"{name}: layers"] == "1 layers with weights in half, 0 in fp32"
        assert results[f"{name}: labels"] == "100.000% equal those of ONNX Runtime in fp32"
        assert results[f"{name}: two in flight"] == "same labels as one by one"
        assert "ms p50" in results[f"{name}: time"]
    assert results["video"].startswith("3 frames of")
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(check) for check in found]
    assert printed[0].startswith("ok: TensorRT and GPU: TensorRT ")
    assert not cuda.memory_blocks


def test_a_failure_is_reported_and_the_rest_goes_on(tensorrt, model):
    tensorrt.information = inspected("float", "half")
    found = gpu.check_gpu(on_check=lambda check: None)
    failed = {check.name: check.detail for check in found if not check.ok}
    assert failed.keys() == {"trained fp16: engine", "video"}
    assert "1 layers in fp32 instead of half (conv 0)" in failed["trained fp16: engine"]
    assert any(check.name == "trained fp32: labels" and check.ok for check in found)


def test_batches_that_get_mixed_up_are_found(tensorrt, model):
    backend = backends.load("tensorrt", model, "fp32")
    right, given = tensorrt.label, []

    def mixed_up(images):
        given.append(right(images))
        return given[{3: 1, 4: 0}.get(len(given), -1)]

    tensorrt.label = mixed_up
    assert gpu._two_in_flight(backend, drawn.images(None)) == (
        False,
        "different labels than one by one",
    )
    tensorrt.label = right
    assert gpu._two_in_flight(backend, drawn.images(None)) == (True, "same labels as one by one")
    backend.close()


def test_without_a_driver_one_check_says_why(tensorrt, cuda):
    cuda.driver = 0
    (check,) = gpu.check_gpu(on_check=lambda check: None)
    assert not check.ok
    assert "this machine has no NVIDIA driver: install it from" in check.detail


def test_without_tensorrt_one_check_names_the_pip_command(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.delitem(sys.modules, "lanes.backends.tensorrt", raising=False)
    (check,) = gpu.check_gpu(on_check=lambda check: None)
    assert not check.ok
    assert "--extra-index-url https://pypi.nvidia.com" in check.detail


def test_a_model_that_is_broken_does_not_stop_the_others(tensorrt, model, monkeypatch):
    found = gpu.check_gpu(["trained", "trained"], on_check=lambda check: None)
    assert len([check for check in found if check.name == "trained fp16: engine"]) == 2
    (model / "model.onnx").write_bytes(b"")
    found = gpu.check_gpu(on_check=lambda check: None)
    assert [check.ok for check in found] == [True, False, False, False]
    assert all("model.onnx" in check.detail for check in found[1:3])
    with pytest.raises(BadModel):
        backends.load("tensorrt", model)
