"""The contract of `lanes.types.Backend`, kept by every file of lanes/backends."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from onnx import TensorProto

from lanes import backends, plugins
from lanes.backends import _engine
from lanes.errors import BackendError, BadInput, BadModel, MissingDependency, UnknownName
from model_folders import SIZE, card_of, grey, labels_of, make_model, write_network

NAMES = plugins.names("backends")
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


@pytest.fixture(params=NAMES)
def name(request):
    """Every backend that can be loaded on this machine."""
    try:
        plugins.load("backends", request.param)
    except MissingDependency as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def backend(name, model_folder):
    loaded = backends.load(name, model_folder, threads=1)
    yield loaded
    loaded.close()


def test_labels_are_right(name, model_folder):
    images = grey([0, 84, 85, 86, 169, 170, 171, 255])[None]
    for precision in backends.precisions(name):
        backend = backends.load(name, model_folder, precision)
        labels = backend(images)
        assert labels.dtype == np.uint8
        assert labels.shape == (1, *SIZE)
        np.testing.assert_array_equal(labels, labels_of(images))
        backend.close()


def test_device_and_precision_are_stated(name, model_folder):
    known = backends.precisions(name)
    for asked in ("auto", *known):
        backend = backends.load(name, model_folder, asked)
        assert backend.name == name
        assert backend.device == "cpu"
        assert backend.precision in known if asked == "auto" else backend.precision == asked
        backend.close()


def test_results_come_in_the_order_of_submission(backend):
    first, second = backend.submit(DARK), backend.submit(LIGHT)
    np.testing.assert_array_equal(backend.result(first), labels_of(DARK))
    np.testing.assert_array_equal(backend.result(second), labels_of(LIGHT))
    assert first.submitted <= first.finished
    assert second.submitted <= second.finished


def test_labels_outlive_the_next_batch(backend):
    labels = backend(DARK)
    backend(LIGHT)
    np.testing.assert_array_equal(labels, labels_of(DARK))


def test_images_with_gaps_in_memory(backend):
    wide = np.repeat(DARK, 2, axis=2)[:, :, ::2]
    assert not wide.flags.c_contiguous
    np.testing.assert_array_equal(backend(wide), labels_of(wide))


def test_at_most_depth_batches_are_in_flight(backend):
    flying = [backend.submit(DARK) for _ in range(backend.depth)]
    with pytest.raises(BackendError, match="take a result first"):
        backend.submit(DARK)
    for pending in flying:
        backend.result(pending)
    backend(DARK)


def test_a_result_is_taken_once(backend):
    pending = backend.submit(DARK)
    backend.result(pending)
    with pytest.raises(BackendError, match="taken already"):
        backend.result(pending)


@pytest.mark.parametrize(
    "images", [DARK[0], DARK[:, 1:], np.repeat(DARK, 2, 0), DARK.astype(np.float32)]
)
def test_wrong_images(backend, images):
    with pytest.raises(BadInput, match=r"wanted uint8 \(1, 64, 96, 3\)"):
        backend.submit(images)
    backend(DARK)


def test_a_closed_backend_takes_no_images(backend):
    flying = backend.submit(DARK)
    backend.close()
    np.testing.assert_array_equal(backend.result(flying), labels_of(DARK))
    with pytest.raises(BackendError, match="closed"):
        backend.submit(DARK)


def test_an_error_of_the_engine(backend, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(backend, "_wait", fail)
    with pytest.raises(BackendError, match="out of memory"):
        backend(DARK)
    monkeypatch.setattr(backend, "_start", fail)
    with pytest.raises(BackendError, match="out of memory"):
        backend.submit(DARK)


def test_engines_errors_that_share_no_base():
    with pytest.raises(BackendError, match="x"), _engine.running("n", library="onnxruntime"):
        raise type("Fail", (Exception,), {"__module__": "onnxruntime.capi"})("x")
    with pytest.raises(ZeroDivisionError), _engine.running("n", library="onnxruntime"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), _engine.reading("p", library="onnxruntime"):
        raise ZeroDivisionError


def test_unknown_names(name, model_folder):
    with pytest.raises(UnknownName, match=f"{name} .*'fp23'.*did you mean 'fp32'"):
        backends.load(name, model_folder, precision="fp23")
    with pytest.raises(UnknownName, match=f"{name} .*'tpu'; it has cpu"):
        backends.load(name, model_folder, device="tpu")


def test_unknown_backend(model_folder):
    with pytest.raises(UnknownName, match="did you mean 'onnxruntime'"):
        backends.load("onnxruntim", model_folder)


@pytest.mark.parametrize("threads", [0, -1])
def test_too_few_threads(model_folder, threads):
    with pytest.raises(BadInput, match="give 1 or more"):
        backends.load("auto", model_folder, threads=threads)


def test_no_network(name, tmp_path):
    card_of().write(tmp_path)
    with pytest.raises(BadModel, match="no model.onnx"):
        backends.load(name, tmp_path)


@pytest.mark.parametrize("damage", ["cut off", "text", "empty"])
def test_broken_network(name, tmp_path, capfd, damage):
    path = make_model(tmp_path) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes({"cut off": whole[:-20], "text": b"hello\n", "empty": b""}[damage])
    with pytest.raises(BadModel, match=r"model\.onnx.*export the checkpoint again"):
        backends.load(name, tmp_path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": TensorProto.FLOAT}, r"float.*wanted uint8 \(1, 64, 96, 3\) in"),
        ({"size": (32, 96)}, r"\(1, 32, 96, 3\) in.*wanted uint8 \(1, 64, 96, 3\) in"),
        ({"size": ("H", "W")}, r"wanted uint8 \(1, 64, 96, 3\) in"),
        ({"outputs": 2}, "uint8 .* and uint8 .* out"),
    ],
)
def test_network_that_contradicts_its_card(name, tmp_path, wrong, message):
    write_network(make_model(tmp_path) / "model.onnx", **wrong)
    with pytest.raises(BadModel, match=message):
        backends.load(name, tmp_path)


# ------------------------------------------------------------------ libraries that are missing


@pytest.fixture
def without(monkeypatch):
    """Make libraries unfindable, as if they were not installed."""

    def forget(*libraries):
        for library in libraries:
            for module in [m for m in sys.modules if m.partition(".")[0] == library]:
                monkeypatch.setitem(sys.modules, module, None)
            monkeypatch.setitem(sys.modules, library, None)
            monkeypatch.delitem(sys.modules, f"lanes.backends.{library}", raising=False)

    return forget


@pytest.mark.parametrize("library", backends.PREFERENCE)
def test_missing_library(library, model_folder, without):
    without(library)
    with pytest.raises(MissingDependency, match=f"needs '{library}'.*pip install"):
        backends.load(library, model_folder)


def test_library_that_does_not_load(model_folder, monkeypatch):
    def broken(name):
        raise ImportError("libgomp.so.1: cannot open shared object file", name="onnxruntime.capi")

    monkeypatch.setattr(importlib, "import_module", _but(broken, "lanes.backends.onnxruntime"))
    with pytest.raises(MissingDependency, match="cannot be loaded: libgomp"):
        backends.load("onnxruntime", model_folder)


def _but(other, name):
    """`importlib.import_module`, but `other` for `name`."""
    real = importlib.import_module
    return lambda module: (other if module == name else real)(module)


def test_auto_takes_the_fastest_that_is_installed(model_folder, without):
    preferred = [name for name in backends.PREFERENCE if plugins.installed(name)]
    for name in preferred:
        backend = backends.load("auto", model_folder)
        assert backend.name == name
        backend.close()
        without(name)
    with pytest.raises(MissingDependency, match=r"no backend.*openvino.*onnxruntime"):
        backends.load("auto", model_folder)


def test_openvino_runs_without_a_cache_folder(model_folder, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    backend = backends.load("openvino", model_folder)
    np.testing.assert_array_equal(backend(DARK), labels_of(DARK))
    backend.close()
