"""A server is an engine of the dashboard where `LANES_KSERVE` has its address."""

from __future__ import annotations

import cv2
import pytest

from model_folders import grey

pytest.importorskip("streamlit")
pytest.importorskip("tritonclient", reason="tritonclient is not installed")

from kserve_server import KServeServer


@pytest.fixture
def server(monkeypatch):
    server = KServeServer().start()
    monkeypatch.setenv("LANES_KSERVE", server.address)
    yield server
    server.stop()


def test_the_server_labels_images(open_page, server):
    page = open_page("images")
    page.selectbox(key="images-backend").select("kserve").run()
    assert page.selectbox(key="images-precision").options == ["auto", "server"]
    sent = [("a.png", cv2.imencode(".png", grey([10, 100]))[1].tobytes(), "image/png")]
    page.file_uploader[0].set_value(sent).run()
    assert not page.exception
    assert not page.error
    assert page.metric[0].value == "1"
    assert server.images == 1


def test_without_an_address_it_is_not_offered(open_page, monkeypatch):
    monkeypatch.delenv("LANES_KSERVE", raising=False)
    assert "kserve" not in open_page("images").selectbox(key="images-backend").options
