"""Shared fixtures: dashboard pages in Streamlit's harness, a small model and demo."""

from __future__ import annotations

import sys
import threading

import pytest

from app_pages import OPEN
from lanes import assets
from lanes.pipeline import demo_clip

SECONDS = 60
SCRIPT = """
import streamlit as st
from dashboard_pages import {page}, settings, words
from lanes.errors import LanesError
try:
    {page}.show(settings.read())
except LanesError as error:
    words.error(str(error))
"""


@pytest.fixture
def arguments(monkeypatch, model_folder):
    """The server's command line; a test may extend it before it opens a page."""
    given = ["dashboard.py", f"--model={model_folder}"]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.setattr(assets, "model_names", list)
    return given


@pytest.fixture
def open_page(arguments, monkeypatch):
    """Opens a page at an address with `query`; its pipelines end with the test."""
    # Imported here, so that tests can be skipped without Streamlit.
    import streamlit as st
    from dashboard_pages import tabs
    from streamlit.testing.v1 import AppTest

    class Kept(tabs.Tab):
        def __init__(self):
            super().__init__()
            OPEN.append(self)

    # Streamlit replaces the main module, which later subprocesses would import.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(tabs, "Tab", Kept)
    monkeypatch.setattr(demo_clip, "SIZE", (96, 160))
    monkeypatch.setattr(demo_clip, "SECONDS", 1)

    def opened(page, **query):
        app = AppTest.from_string(SCRIPT.format(page=page), default_timeout=SECONDS)
        app.query_params.update(query)
        return app.run()

    yield opened
    for tab in OPEN:
        tab.close()
    OPEN.clear()
    # A demo that is still drawn would go on at full size once the patches above are undone.
    for thread in threading.enumerate():
        if thread.name == "demo":
            thread.join(SECONDS)
            assert not thread.is_alive()
    st.cache_resource.clear()
    st.cache_data.clear()
