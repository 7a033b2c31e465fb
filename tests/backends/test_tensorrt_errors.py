"""The errors of TensorRT, of CUDA and of users, with their messages."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import lanes
from fake_gpu import FakeNvml
from lanes import backends, plugins
from lanes import card as cards
from lanes.errors import BackendError, BadModel, MissingDependency
from model_folders import card_of, grey, labels_of, make_model, write_network

pytest_plugins = ["rtx_backend"]
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


ROOT = Path(__file__).parents[2]


def test_no_driver_is_found_out_before_tensorrt_is_asked(tensorrt, folder, engine_cache, cuda):
    backends.load("tensorrt", folder).close()
    tensorrt.read.clear()
    cuda.driver = 0
    for ask in (backends.load, lambda name, folder: backends.precisions(name)):
        with pytest.raises(BackendError, match="no NVIDIA driver: install it .*backend openvino"):
            ask("tensorrt", folder)
    assert not tensorrt.read


def test_the_real_runtime_reports_a_missing_driver(ours):
    if os.path.exists("/proc/driver/nvidia"):
        pytest.skip("this machine has a driver")
    with pytest.raises(BackendError, match="no NVIDIA driver"):
        ours.gpu.find("cuda")


def test_a_driver_that_is_too_old(tensorrt, folder, cuda):
    cuda.driver = 12040
    cuda.count_error = cuda.cudaError_t.cudaErrorInsufficientDriver
    with pytest.raises(BackendError, match=r"supports CUDA 12.4, .* need 13.0: update the driver"):
        backends.load("tensorrt", folder)


def test_a_driver_without_a_gpu(tensorrt, folder, cuda):
    cuda.count_error = cuda.cudaError_t.cudaErrorNoDevice
    with pytest.raises(BackendError, match="but no GPU: .*nvidia-smi"):
        backends.load("tensorrt", folder)


def test_the_drivers_version_without_nvml(ours, cuda, monkeypatch):
    assert ours.gpu.find("cuda").driver == "580.82.07"
    monkeypatch.setattr(ours.gpu, "nvml", FakeNvml(None))
    assert ours.gpu.find("cuda").driver == "CUDA 13.0"


def test_too_little_memory_for_the_images(tensorrt, folder, engine_cache, cuda):
    backends.load("tensorrt", folder).close()
    cuda.memory = 60_000
    with pytest.raises(BackendError, match=r"out of memory .*0 of 0 MiB are free\): close"):
        backends.load("tensorrt", folder)
    assert not cuda.memory_blocks
    assert not cuda.streams


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            "[defaultAllocator.cpp] Error Code 1: Cuda Runtime (out of memory)",
            "the GPU is out of memory",
        ),
        (
            "Internal Error",
            r"cannot run the engine: Internal Error; run the model on the CPU",
        ),
    ],
)
def test_no_room_for_a_context(tensorrt, folder, engine_cache, cuda, error, message):
    tensorrt.no_context = error
    with pytest.raises(BackendError, match=message):
        backends.load("tensorrt", folder)
    assert not cuda.memory_blocks


def test_too_little_memory_for_the_build(ours, tensorrt, folder, engine_cache, monkeypatch):
    def fail(builder, network, config):
        ours.build.LOG.log(ours.trt.ILogger.ERROR, "[virtualMemoryBuffer.cpp] OutOfMemory\n (no)")

    monkeypatch.setattr(ours.trt.Builder, "build_serialized_network", fail)
    with pytest.raises(BackendError, match=r"out of memory \(cannot build .*OutOfMemory \(no\)"):
        backends.load("tensorrt", folder)
    monkeypatch.setattr(ours.trt.Builder, "build_serialized_network", lambda *_: None)
    with pytest.raises(BackendError, match="cannot build .*: no reason given; run the model on"):
        backends.load("tensorrt", folder)


def test_inference_that_fails(backend, tensorrt, cuda):
    tensorrt.fails = "Error Code 1: Cuda Runtime (an illegal memory access was encountered)"
    with pytest.raises(BackendError, match="cannot run the network: .*illegal memory access"):
        backend(DARK)
    tensorrt.fails = ""
    cuda.broken = "cudaMemcpyAsync"
    with pytest.raises(BackendError, match=r"CUDA failed: an illegal.*\(cudaErrorIllegalAddress\)"):
        backend(DARK)
    cuda.broken = "cudaEventSynchronize"
    flying = [backend.submit(DARK), backend.submit(DARK)]
    for pending in flying:
        with pytest.raises(BackendError, match="CUDA failed"):
            backend.result(pending)
    cuda.broken = None
    np.testing.assert_array_equal(backend(LIGHT), labels_of(LIGHT))


def test_no_network(tensorrt, tmp_path):
    card_of().write(tmp_path)
    with pytest.raises(BadModel, match="no model.onnx"):
        backends.load("tensorrt", tmp_path)


@pytest.mark.parametrize("damage", ["cut off", "text", "empty"])
def test_broken_network(tensorrt, tmp_path, engines, capfd, damage):
    path = make_model(tmp_path / "m") / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes({"cut off": whole[:-20], "text": b"hello\n", "empty": b""}[damage])
    with pytest.raises(BadModel, match=r"model\.onnx.*export the checkpoint again"):
        backends.load("tensorrt", path.parent)
    assert capfd.readouterr().err == ""
    assert not engines()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": TensorProto.FLOAT}, r"float.*wanted uint8 \(1, 64, 96, 3\) in"),
        ({"size": (32, 96)}, r"\(1, 32, 96, 3\) in.*wanted uint8 \(1, 64, 96, 3\) in"),
        ({"size": ("H", "W")}, r"wanted uint8 \(1, 64, 96, 3\) in"),
        ({"outputs": 2}, "uint8 .* and uint8 .* out"),
    ],
)
def test_network_that_contradicts_its_card(tensorrt, tmp_path, engine_cache, wrong, message):
    write_network(make_model(tmp_path / "m") / "model.onnx", **wrong)
    with pytest.raises(BadModel, match=message):
        backends.load("tensorrt", tmp_path / "m")


def test_a_node_that_tensorrt_does_not_support(tensorrt, folder, engine_cache):
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].op_type = "StringNormalizer"
    model.graph.node[0].name = "odd"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(
        BackendError, match=r"not support the node 'odd' \(StringNormalizer\) of .*"
    ):
        backends.load("tensorrt", folder, "fp32")


def test_ctrl_c_ends_a_build(ours, tensorrt, folder, engines, monkeypatch):
    step = ours.build._Bar.step_complete

    def press(bar, phase_name, number):
        os.kill(os.getpid(), signal.SIGINT)
        return step(bar, phase_name, number)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(ours.build._Bar, "step_complete", press)
    with pytest.raises(KeyboardInterrupt):
        backends.load("tensorrt", folder)
    assert signal.getsignal(signal.SIGINT) is before
    assert not engines()


def test_the_bar_shows_how_far_a_build_is(ours, tensorrt, folder, engine_cache, monkeypatch):
    phases, steps = [], []

    class Noted(ours.build._Bar):
        def phase_start(self, phase_name, parent_phase, num_steps):
            super().phase_start(phase_name, parent_phase, num_steps)
            phases.append((phase_name, num_steps))

        def step_complete(self, phase_name, step):
            going_on = super().step_complete(phase_name, step)
            (task,) = (t for t in self.progress.tasks if t.description == phase_name)
            steps.append(task.completed)
            return going_on

        def phase_finish(self, phase_name):
            super().phase_finish(phase_name)
            assert phase_name not in self.tasks

    monkeypatch.setattr(ours.build, "_Bar", Noted)
    backends.load("tensorrt", folder).close()
    assert len(phases) > 1
    assert max(steps) > 1


@pytest.mark.parametrize("library", ["tensorrt", "cuda"])
def test_missing_library(ours, monkeypatch, model_folder, library):
    for module in [m for m in sys.modules if m.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, module, None)
    for name in [m for m in sys.modules if "tensorrt" in m and m.startswith("lanes.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    if library == "cuda":
        monkeypatch.setitem(sys.modules, "tensorrt", ours.trt)
    command = rf"needs '{library}', not installed: pip install .*(tensorrt|cuda)"
    for ask in (backends.load, lambda name, folder: backends.precisions(name)):
        with pytest.raises(MissingDependency, match=command):
            ask("tensorrt", model_folder)


def test_half_needs_onnx_but_a_kept_engine_does_not(
    tensorrt, folder, engine_cache, monkeypatch, builds
):
    backends.load("tensorrt", folder).close()
    monkeypatch.delitem(sys.modules, "lanes.backends._float16_graph")
    monkeypatch.delattr(lanes.backends, "_float16_graph")
    monkeypatch.setitem(sys.modules, "onnx", None)
    backends.load("tensorrt", folder).close()
    replace(cards.read(folder), half_keep=("grey",)).write(folder)
    with pytest.raises(MissingDependency, match=r"fp16 needs 'onnx', .*pip install .*tensorrt.*"):
        backends.load("tensorrt", folder)
    backends.load("tensorrt", folder, "fp32").close()
    assert len(builds) == 2


def test_the_pip_command_names_nvidias_index(tmp_path, monkeypatch):
    index = " --extra-index-url https://pypi.nvidia.com"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        f"Requires-Dist: {line.partition(';')[0]}; extra == '{name}'"
        for name, needs in project["optional-dependencies"].items()
        for line in needs
    ]
    folder = tmp_path / "lanes_video-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("\n".join(["Name: lanes-video", "Version: 1", *lines]) + "\n")
    ours = importlib.metadata.PathDistribution(folder)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: ours)
    command = f"pip install 'lanes-video[tensorrt]'{index}"
    assert plugins.pip_command("tensorrt") == plugins.pip_command("cuda.bindings") == command
    for other in ("torch", "onnx", "pytest", "numpy"):
        assert "index" not in plugins.pip_command(other)

    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    assert plugins.pip_command("tensorrt") == f"pip install tensorrt{index}"
