"""All backends fulfil the contract of `lanes.types.Backend`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto

from lanes import backends, plugins
from lanes.backends import _engine, classical
from lanes.errors import BackendError, BadInput, BadModel, MissingDependency, UnknownName
from model_folders import SIZE, card_of, grey, labels_of, make_model, write_network

NAMES = plugins.names("backends")
WITHOUT_NETWORK = {"classical", "kserve"}
DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


@dataclass(frozen=True)
class Case:
    """A model folder, two images with different labels, and the right labels."""

    folder: Path
    dark: np.ndarray
    light: np.ndarray
    labels_of: Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="session")
def kserve_server():
    """A server with the models of these tests."""
    pytest.importorskip("tritonclient", reason="tritonclient is not installed")
    from kserve_server import KServeServer

    server = KServeServer().start()
    yield server
    server.stop()


@pytest.fixture(params=NAMES)
def name(request, monkeypatch):
    """Every backend that can be loaded on this machine."""
    if request.param == "kserve":
        address = request.getfixturevalue("kserve_server").address
        monkeypatch.setenv("LANES_KSERVE", address)
    try:
        backends.precisions(request.param)
    except (MissingDependency, BackendError) as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def network_backend(name):
    """The backends that read a network."""
    if name in WITHOUT_NETWORK:
        pytest.skip(f"{name} reads no network")
    return name


@pytest.fixture(scope="session")
def card_folder(tmp_path_factory):
    """A folder with only a card."""
    folder = tmp_path_factory.mktemp("card")
    card_of().write(folder)
    return folder


@pytest.fixture
def case(name, model_folder, trained_folder, card_folder):
    """A model folder that the backend `name` can run."""
    if name == "classical":
        road = grey([60])
        for foot in (15, 81):
            cv2.line(road, (foot, 63), (48, 30), (230, 230, 230), 2)
        return Case(card_folder, DARK, road[None], lambda x: classical.lane_lines(x[0])[None])
    # torch runs only architectures in lanes/models.
    folder = trained_folder if name == "torch" else model_folder
    return Case(folder, DARK, LIGHT, labels_of)


@pytest.fixture
def backend(name, case):
    loaded = backends.load(name, case.folder, threads=1)
    yield loaded
    loaded.close()


def test_the_images_of_a_case_have_different_labels(case):
    assert (case.labels_of(case.dark) != case.labels_of(case.light)).any()


def test_labels_are_right(name, case):
    images = [grey([0, 84, 85, 86, 169, 170, 171, 255])[None], case.dark, case.light]
    for precision in backends.precisions(name):
        backend = backends.load(name, case.folder, precision)
        for image in images:
            labels = backend(image)
            assert labels.dtype == np.uint8
            assert labels.shape == (1, *SIZE)
            np.testing.assert_array_equal(labels, case.labels_of(image))
        backend.close()


def test_a_trained_network_is_labelled_alike_by_all(network_backend, trained_folder):
    images = grey([0, 84, 85, 86, 169, 170, 171, 255])[None]
    for precision in backends.precisions(network_backend):
        backend = backends.load(network_backend, trained_folder, precision)
        np.testing.assert_array_equal(backend(images), labels_of(images))
        backend.close()


def test_device_and_precision_are_stated(name, case):
    known = backends.precisions(name)
    for asked in ("auto", *known):
        backend = backends.load(name, case.folder, asked)
        assert backend.name == name
        assert backend.device.partition(":")[0] in ("cpu", "cuda", "grpc")
        assert backend.precision in known if asked == "auto" else backend.precision == asked
        backend.close()


@pytest.mark.parametrize("hint", backends.HINTS)
def test_hints_change_no_label(name, case, hint):
    backend = backends.load(name, case.folder, hint=hint)
    images = [case.dark, case.light] * backend.depth
    flying = [backend.submit(image) for image in images[: backend.depth]]
    for image, pending in zip(images, flying, strict=False):
        np.testing.assert_array_equal(backend.result(pending), case.labels_of(image))
    backend.close()


def test_results_come_in_the_order_of_submission(backend, case):
    first, second = backend.submit(case.dark), backend.submit(case.light)
    np.testing.assert_array_equal(backend.result(first), case.labels_of(case.dark))
    np.testing.assert_array_equal(backend.result(second), case.labels_of(case.light))
    assert first.submitted <= first.finished
    assert second.submitted <= second.finished


def test_labels_outlive_the_next_batch(backend, case):
    labels = backend(case.dark)
    backend(case.light)
    np.testing.assert_array_equal(labels, case.labels_of(case.dark))


def test_images_with_gaps_in_memory(backend, case):
    wide = np.repeat(case.dark, 2, axis=2)[:, :, ::2]
    assert not wide.flags.c_contiguous
    np.testing.assert_array_equal(backend(wide), case.labels_of(wide))


def test_at_most_depth_batches_are_in_flight(backend, case):
    flying = [backend.submit(case.dark) for _ in range(backend.depth)]
    with pytest.raises(BackendError, match="take a result first"):
        backend.submit(case.dark)
    for pending in flying:
        backend.result(pending)
    backend(case.dark)


def test_a_result_is_taken_once(backend, case):
    pending = backend.submit(case.dark)
    backend.result(pending)
    with pytest.raises(BackendError, match="taken already"):
        backend.result(pending)


@pytest.mark.parametrize(
    "images", [DARK[0], DARK[:, 1:], np.repeat(DARK, 2, 0), DARK.astype(np.float32)]
)
def test_wrong_images(backend, case, images):
    with pytest.raises(BadInput, match=r"wanted uint8 \(1, 64, 96, 3\)"):
        backend.submit(images)
    backend(case.dark)


def test_a_closed_backend_takes_no_images(backend, case):
    flying = backend.submit(case.dark)
    backend.close()
    np.testing.assert_array_equal(backend.result(flying), case.labels_of(case.dark))
    with pytest.raises(BackendError, match="closed"):
        backend.submit(case.dark)


def test_an_error_of_the_engine(backend, case, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(backend, "_wait", fail)
    with pytest.raises(BackendError, match="out of memory"):
        backend(case.dark)
    monkeypatch.setattr(backend, "_start", fail)
    with pytest.raises(BackendError, match="out of memory"):
        backend.submit(case.dark)


def test_engines_errors_that_share_no_base():
    with pytest.raises(BackendError, match="x"), _engine.running("n", library="onnxruntime"):
        raise type("Fail", (Exception,), {"__module__": "onnxruntime.capi"})("x")
    with pytest.raises(ZeroDivisionError), _engine.running("n", library="onnxruntime"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), _engine.reading("p", library="onnxruntime"):
        raise ZeroDivisionError


def test_unknown_names(name, case):
    known = backends.precisions(name)
    hint = "; did you mean 'fp32'" if "fp32" in known else ""
    with pytest.raises(UnknownName, match=f"{name} .*'fp23'; it has auto, {known[0]}.*{hint}"):
        backends.load(name, case.folder, precision="fp23")
    with pytest.raises(UnknownName, match=f"{name} .*'tpu'; it has .*(cpu|cuda|grpc)"):
        backends.load(name, case.folder, device="tpu")


def test_unknown_hint(model_folder):
    with pytest.raises(UnknownName, match="hint has no 'speed'; it has latency, throughput"):
        backends.load("auto", model_folder, hint="speed")


def test_a_backend_takes_only_what_it_has_a_use_for(model_folder, monkeypatch):
    class Plain:
        DEVICE = "tpu"

        @staticmethod
        def load(folder, precision, device, threads):
            return precision, device, threads

        @staticmethod
        def precisions(device):
            return (device,)

    monkeypatch.setattr(plugins, "load", lambda room, name: Plain)
    assert backends.load("plain", model_folder, hint="throughput") == ("auto", "tpu", None)
    assert backends.load("plain", model_folder, device="npu", threads=3) == ("auto", "npu", 3)
    assert backends.precisions("plain", folder=model_folder) == ("tpu",)


def test_unknown_backend(model_folder):
    with pytest.raises(UnknownName, match="did you mean 'onnxruntime'"):
        backends.load("onnxruntim", model_folder)


@pytest.mark.parametrize("threads", [0, -1])
def test_too_few_threads(model_folder, threads):
    with pytest.raises(BadInput, match="give 1 or more"):
        backends.load("auto", model_folder, threads=threads)


def test_no_network(network_backend, card_folder):
    with pytest.raises(BadModel, match="no model.onnx"):
        backends.load(network_backend, card_folder)


@pytest.mark.parametrize("damage", ["cut off", "text", "empty"])
def test_broken_network(network_backend, tmp_path, capfd, damage):
    path = make_model(tmp_path) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes({"cut off": whole[:-20], "text": b"hello\n", "empty": b""}[damage])
    with pytest.raises(BadModel, match=r"model\.onnx.*export the checkpoint again"):
        backends.load(network_backend, tmp_path)
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
def test_network_that_contradicts_its_card(network_backend, tmp_path, wrong, message):
    write_network(make_model(tmp_path) / "model.onnx", **wrong)
    with pytest.raises(BadModel, match=message):
        backends.load(network_backend, tmp_path)


# ------------------------------------------------------------------ missing libraries


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
    """`importlib.import_module`, but with `other` for `name`."""
    real = importlib.import_module
    return lambda module: (other if module == name else real)(module)
