"""The entry script, with all pages and their addresses."""

from __future__ import annotations

import threading

import cv2
import pytest

pytest.importorskip("streamlit")

from app_pages import labels
from lanes import assets
from lanes.video import opening


@pytest.fixture
def process(monkeypatch):
    """Undoes what the app changes in its process."""
    threads = cv2.getNumThreads()
    monkeypatch.setattr(opening, "_confined", threading.Event())
    yield
    cv2.setNumThreads(threads)


def test_the_app_opens_at_its_first_page(open_page, process):
    from streamlit.testing.v1 import AppTest

    page = AppTest.from_file(str(assets.folder("apps") / "pages.py"), default_timeout=60).run()
    assert not page.exception
    assert page.title[0].value == "Live"
    assert labels(page.button)[0] == "Run the demo"
    assert opening._confined.is_set()
