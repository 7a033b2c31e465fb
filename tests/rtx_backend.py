"""The TensorRT backend, imported over TensorRT-RTX, whose builder needs neither a GPU nor a driver.

TensorRT-RTX has TensorRT's parser and builder under TensorRT's names, and installs from PyPI; but
that engines are for GPUs of a stated compute capability. The fixtures are for test files that ask
for them: pytest_plugins = ["rtx_backend"]; their GPU is faked. `instead_of_tensorrt` fakes nothing:
it lets the tests that wait for a GPU run where TensorRT-RTX is all that can be had.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from fake_gpu import FakeCuda, FakeNvml, FakeTensorRt
from lanes import assets, backends
from lanes.datasets import _samples as drawn
from model_folders import SIZE, labels_of, make_model

NAMES = ("tensorrt", "_tensorrt_build", "_tensorrt_check", "_tensorrt_gpu")
AHEAD = "SM86"
"""The compute capability that engines are built for where there is no GPU; one keeps them small."""
_loaded = None


def modules():
    """The backend's modules by short names: plugin, build, check, gpu; and trt, TensorRT-RTX.

    They are imported once: TensorRT keeps the first logger that it is given. Other tests do not
    find them: for these, TensorRT stays as missing, or as installed, as it is.
    """
    global _loaded
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    if _loaded is None:
        import lanes.backends

        full = [f"lanes.backends.{name}" for name in NAMES]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "tensorrt", trt)
            for name in full:
                patch.delitem(sys.modules, name, raising=False)
            plugin, build, check, gpu = (importlib.import_module(name) for name in full)
            for name in full:
                del sys.modules[name]
        for name in NAMES:  # `from lanes.backends import name` would find them here
            delattr(lanes.backends, name)
        _loaded = SimpleNamespace(plugin=plugin, build=build, check=check, gpu=gpu, trt=trt)
        _loaded.capability = AHEAD
        build.configured = _for_a_capability(build.configured)
        build.build = _quiet(build.build)
    return _loaded


def _for_a_capability(configured):
    def config_of(builder, timings):
        config = configured(builder, timings)
        if _loaded.capability != "ANY":
            wanted = getattr(_loaded.trt.ComputeCapability, _loaded.capability)
            config.num_compute_capabilities = 1
            config.set_compute_capability(wanted, 0)
        return config

    return config_of


@contextmanager
def instead_of_tensorrt(capability: str) -> Iterator[SimpleNamespace]:
    """Let the backend `tensorrt` be the one over TensorRT-RTX, on the real GPU.

    Engines are for `capability`: "CURRENT" is the machine's GPU, "ANY" all that TensorRT-RTX
    supports, "SM89" that one.
    """
    ours = modules()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "capability", capability)
        patch.setitem(sys.modules, "lanes.backends.tensorrt", ours.plugin)
        yield ours


def _quiet(function):
    """TensorRT-RTX warns of what it has no use for: timing caches."""

    def called(*arguments):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Use Deprecated in TensorRT-RTX", DeprecationWarning)
            return function(*arguments)

    return called


@pytest.fixture
def ours():
    """The backend's modules over TensorRT-RTX."""
    return modules()


@pytest.fixture
def cuda(ours, monkeypatch):
    """A GPU that is faked; change it, and the machine is another one."""
    fake = FakeCuda()
    monkeypatch.setattr(ours.gpu, "runtime", fake)
    monkeypatch.setattr(ours.gpu, "nvml", FakeNvml())
    return fake


def frames(card, count=2):
    """Instead of drawn roads, which take a while: noise with a dark and a bright side."""
    noise = np.random.default_rng(0).integers(0, 100, (count, 1, *card.resize.size, 3))
    noise[..., card.resize.size[1] // 2 :, :] += 155
    return list(noise.astype(np.uint8))


@pytest.fixture
def tensorrt(ours, cuda, monkeypatch):
    """TensorRT's runtime on that GPU, which labels by the thresholds of `model_folders`."""
    fake = FakeTensorRt(ours.trt, cuda, labels_of, SIZE)
    monkeypatch.setattr(drawn, "images", frames)
    fake.logger = ours.build.LOG
    monkeypatch.setattr(ours.trt, "Runtime", fake.Runtime)
    monkeypatch.setitem(sys.modules, "lanes.backends.tensorrt", ours.plugin)
    return fake


@pytest.fixture
def folder(tmp_path):
    """A model folder that may be changed."""
    return make_model(tmp_path / "thresholds")


@pytest.fixture
def engine_cache(tmp_path, monkeypatch):
    """The backend's folder in the user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return assets.cache_folder("tensorrt")


@pytest.fixture
def builds(ours, monkeypatch):
    """The networks that engines were built of, in order."""
    build, noted = ours.build.build, []

    def note(path, network, timings=b""):
        noted.append(network)
        return build(path, network, timings)

    monkeypatch.setattr(ours.build, "build", note)
    return noted


@pytest.fixture
def backend(tensorrt, folder, engine_cache):
    loaded = backends.load("tensorrt", folder)
    yield loaded
    loaded.close()


@pytest.fixture
def engines(engine_cache):
    """Gives the files of the cache, but for the timings."""
    return lambda: [path for path in engine_cache.iterdir() if len(path.read_bytes()) > 10_000]
