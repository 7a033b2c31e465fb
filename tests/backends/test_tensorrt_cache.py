"""Engines are built once, and again if network, TensorRT, GPU or driver change, or if damaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from fake_gpu import FakeNvml
from lanes import backends
from lanes import card as cards
from lanes.backends import _float16_graph as half
from lanes.errors import BackendError
from model_folders import grey, labels_of, make_model, make_trained

pytest_plugins = ["rtx_backend"]
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


def test_an_engine_is_built_once(tensorrt, folder, engine_cache, builds):
    backends.load("tensorrt", folder).close()
    (built,) = tensorrt.read
    backends.load("tensorrt", folder).close()
    assert len(builds) == 1
    assert tensorrt.read == [built, built]
    backends.load("tensorrt", folder, "fp32").close()
    assert len(builds) == 2


def test_engines_are_built_of_the_network_in_half_or_as_it_is(
    tensorrt, tmp_path, engine_cache, builds
):
    folder = make_trained(tmp_path / "trained")
    right = backends.load("onnxruntime", folder, "fp32")
    tensorrt.label = lambda images: right(images.copy())
    for precision in ("fp16", "fp32"):
        backends.load("tensorrt", folder, precision).close()
    in_half, as_it_is = builds
    assert half.half_nodes(onnx.load_from_string(in_half)) == ["permute", "conv", "relu", "logits"]
    assert as_it_is == (folder / "model.onnx").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]
    replace(cards.read(folder), half_keep=("conv",)).write(folder)
    for precision in ("fp16", "fp32"):
        backends.load("tensorrt", folder, precision).close()
    _, _, in_half = builds  # the fp32 one was cached
    assert half.half_nodes(onnx.load_from_string(in_half)) == ["permute", "relu", "logits"]
    right.close()


def another_network(ours, cuda, folder, patch):
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "trained further"
    onnx.save(model, folder / "model.onnx")


CHANGES = {
    "network": another_network,
    "tensorrt": lambda ours, cuda, folder, patch: patch(ours.trt, "__version__", "11.9"),
    "recipe": lambda ours, cuda, folder, patch: patch(ours.plugin, "RECIPE", 99),
    "gpu": lambda ours, cuda, folder, patch: patch(cuda, "name", "Other GPU"),
    "capability": lambda ours, cuda, folder, patch: patch(cuda, "capability", (9, 0)),
    "driver": lambda ours, cuda, folder, patch: patch(ours.gpu, "nvml", FakeNvml("600.1")),
}
"""Changes that make an engine stale."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_stale_engine_is_rebuilt(
    ours, cuda, tensorrt, folder, engine_cache, builds, monkeypatch, change
):
    backends.load("tensorrt", folder).close()
    CHANGES[change](ours, cuda, folder, monkeypatch.setattr)
    backends.load("tensorrt", folder).close()
    assert len(builds) == 2
    backends.load("tensorrt", folder).close()
    assert len(builds) == 2


def test_another_size_is_another_engine(ours, cuda, folder, tmp_path):
    gpu = ours.gpu.find("cuda")
    other = make_model(tmp_path / "other", (32, 96))
    (other / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    keys = {ours.plugin.engine_key(f / "model.onnx", "fp32", gpu) for f in (folder, other)}
    assert len(keys) == 2


@pytest.mark.parametrize("damage", ["cut off", "one bit", "empty", "foreign"])
def test_a_damaged_or_foreign_engine_is_rebuilt(tensorrt, folder, engines, builds, damage):
    backends.load("tensorrt", folder).close()
    (path,) = engines()
    content = bytearray(path.read_bytes())
    if damage == "foreign":  # intact, but from another machine, renamed
        backends.load("tensorrt", folder, "fp32").close()
        (other,) = set(engines()) - {path}
        content = other.read_bytes()
        builds.clear()
        builds.append("the first")
    elif damage == "one bit":
        content[len(content) // 2] ^= 1
    else:
        del content[len(content) // 2 if damage == "cut off" else 0 :]
    path.write_bytes(content)
    before = len(tensorrt.read)
    backends.load("tensorrt", folder).close()
    assert len(builds) == 2
    assert len(tensorrt.read) == before + 1  # only the new one
    backends.load("tensorrt", folder).close()
    assert len(builds) == 2


def test_an_engine_that_tensorrt_cannot_read_is_rebuilt(tensorrt, folder, engine_cache, builds):
    backends.load("tensorrt", folder).close()
    tensorrt.unreadable = 1
    backends.load("tensorrt", folder).close()
    assert len(builds) == 2
    tensorrt.unreadable = 2  # the cached one and the new one
    with pytest.raises(BackendError, match="cannot read the engine that it built.*Serialization"):
        backends.load("tensorrt", folder)


def test_a_cache_that_cannot_be_written_costs_only_time(tensorrt, folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    backend = backends.load("tensorrt", folder)
    np.testing.assert_array_equal(backend(DARK), labels_of(DARK))
    backend.close()


def test_timings_are_kept_for_the_next_build(ours, tensorrt, folder, engine_cache, monkeypatch):
    configured, given = ours.build.configured, []

    def note(builder, timings):
        given.append(timings)
        return configured(builder, timings)

    monkeypatch.setattr(ours.build, "configured", note)
    backends.load("tensorrt", folder).close()
    backends.load("tensorrt", folder, "fp32").close()
    assert given[0] == b""
    assert given[1]
