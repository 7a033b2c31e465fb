"""Labels of a KServe v2 server: its errors, and a server that dies and comes back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lanes import backends
from lanes.errors import BackendError, BadModel, UnknownName
from lanes.system import ending
from model_folders import grey, labels_of, make_model

kserve = pytest.importorskip("lanes.backends.kserve", reason="tritonclient is not installed")
from kserve_server import KServeServer  # noqa: E402

DARK, LIGHT = grey([10, 100])[None], grey([100, 200])[None]


@pytest.fixture
def server():
    server = KServeServer().start()
    yield server
    server.stop()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(kserve, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(kserve, "RETRY_SECONDS", 0.1)


def load(server, folder, path=""):
    return backends.load("kserve", folder, device=server.address + path)


def test_another_name_on_the_server(server, model_folder):
    server.names = ("road",)
    with pytest.raises(BackendError, match="no model 'thresholds' ready .*append /NAME"):
        load(server, model_folder)
    np.testing.assert_array_equal(load(server, model_folder, "/road")(DARK), labels_of(DARK))


def test_a_name_that_no_address_can_have(server, tmp_path):
    folder = make_model(tmp_path / "day & night")
    server.names = ("day___night",)
    np.testing.assert_array_equal(load(server, folder)(DARK), labels_of(DARK))


def test_no_server(model_folder):
    with pytest.raises(BackendError, match=r"127\.0\.0\.1:9 has no model .*lanes serve"):
        backends.load("kserve", model_folder, device="grpc://127.0.0.1:9")


def test_no_address(model_folder, monkeypatch):
    monkeypatch.delenv(kserve.VARIABLE, raising=False)
    with pytest.raises(BackendError, match="--device grpc://HOST:PORT, or LANES_KSERVE"):
        backends.load("kserve", model_folder)


@pytest.mark.parametrize("device", ["cpu", "http://host:8000", "grpc://host", "grpc://host:1/a/b"])
def test_wrong_address(model_folder, device):
    with pytest.raises(UnknownName, match="it has grpc://HOST:PORT"):
        backends.load("kserve", model_folder, device=device)


def test_address_of_the_environment(server, model_folder, monkeypatch):
    monkeypatch.setenv(kserve.VARIABLE, server.address)
    backend = backends.load("kserve", model_folder)
    assert (backend.device, backend.precision) == (server.address, "server")
    with pytest.raises(UnknownName, match="'fp32'; it has auto, server"):
        backends.load("kserve", model_folder, precision="fp32")


@pytest.mark.parametrize(("name", "value"), [("size", (32, 96)), ("kind", "FP32")])
def test_a_model_for_other_images(server, model_folder, name, value):
    setattr(server, name, value)
    with pytest.raises(BadModel, match="serve the model of this folder"):
        load(server, model_folder)


def test_labels_of_another_size(server, model_folder):
    backend = load(server, model_folder)
    server.labels_of = lambda images: labels_of(images)[:, ::2]
    with pytest.raises(BackendError, match=r"gives uint8 \(1, 32, 96\); wanted .*\(1, 64, 96\)"):
        backend(DARK)


def test_an_error_of_the_model_is_not_tried_again(server, model_folder):
    backend, tries = load(server, model_folder), []

    def fail(images):
        tries.append(images)
        raise ValueError("out of memory")

    server.labels_of = fail
    with pytest.raises(BackendError, match="out of memory"):
        backend(DARK)
    assert len(tries) == 1


def test_a_server_that_comes_back(server, model_folder, quick, capsys):
    backend = load(server, model_folder)
    images = [DARK, LIGHT] * (backend.depth // 2)
    server.free.clear()
    flying = [backend.submit(image) for image in images]
    server.stop()
    threading.Timer(1.0, server.start).start()
    for image, pending in zip(images, flying, strict=True):
        np.testing.assert_array_equal(backend.result(pending), labels_of(image))
        assert pending.finished >= pending.submitted
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "does not answer (UNAVAILABLE): trying again for 60 s" in said[0]
    assert "answers again after" in said[1]


def test_a_server_that_hangs(server, model_folder, quick, capsys):
    backend = load(server, model_folder)
    server.free.clear()
    threading.Timer(1.2, server.free.set).start()
    np.testing.assert_array_equal(backend(DARK), labels_of(DARK))
    assert "does not answer (DEADLINE_EXCEEDED)" in capsys.readouterr().err


def test_a_server_that_first_lacks_the_model(server, model_folder, quick):
    backend, names = load(server, model_folder), server.names
    server.stop()
    server.names = ()

    def start():
        server.start()
        threading.Timer(0.5, lambda: setattr(server, "names", names)).start()

    threading.Timer(0.3, start).start()
    np.testing.assert_array_equal(backend(DARK), labels_of(DARK))


def test_a_server_that_stays_away(server, model_folder, quick, monkeypatch):
    monkeypatch.setattr(kserve, "PATIENCE", 0.5)
    backend = load(server, model_folder)
    server.free.clear()
    flying = [backend.submit(DARK) for _ in range(backend.depth)]
    server.stop()
    for pending in flying:  # only the first one waits for long
        with pytest.raises(BackendError, match="has not answered for 0 s .*start it again"):
            backend.result(pending)


def test_a_signal_ends_the_wait(server, model_folder, monkeypatch):
    backend = load(server, model_folder)
    server.free.clear()
    pending = backend.submit(DARK)
    monkeypatch.setattr(ending, "seconds_left", lambda: 1.0)
    with pytest.raises(KeyboardInterrupt):
        backend.result(pending)
