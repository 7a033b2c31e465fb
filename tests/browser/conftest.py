"""A running dashboard, opened in Debian's Chromium."""

from __future__ import annotations

import pytest

from browser_pages import FRAMES, PATIENCE
from clips import make_clip
from dashboard_server import CHROMIUM, FLAGS, Server


@pytest.fixture(scope="package")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clips") / "drive.mp4", FRAMES, size=(96, 160))


@pytest.fixture(scope="package")
def server(tmp_path_factory, own_cache, model_folder, clip):
    folder = tmp_path_factory.mktemp("server") / "temporary"
    folder.mkdir()
    options = (f"--model={model_folder}", f"--allow-paths={clip.parent}")
    options += ("--server.maxUploadSize", "1")
    server = Server(folder, *options, grace=10.0, kept=1.0, small=True)
    yield server
    server.close()


@pytest.fixture(scope="package")
def playwright():
    sync_api = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("streamlit")
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def open_page(server, chromium):
    """Opens a page in a new browser context, as another user would."""
    contexts = []

    def opened(path=""):
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server.url}/{path}")
        page.wait_for_selector("h1")
        return page

    yield opened
    for context in contexts:
        context.close()
