"""Runs the demo on the Live page for minutes: memory and latency stay flat.

See `soak` for the duration.
"""

from __future__ import annotations

import re
import time

import pytest

import soak
from dashboard_server import CHROMIUM, FLAGS, Server
from lanes import assets

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
pytestmark = [
    *soak.marks,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    server = Server(folder)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(300_000)  # renders the demo first
        page.goto(server.url)
        page.get_by_role("button", name="Run the demo").click()
        page.wait_for_selector("figure img:not([hidden])")
        yield server, page
        browser.close()
    server.close()


def figure(page, name):
    """A figure of the page, without its unit."""
    shown = page.locator("[data-testid=stMetric]").filter(has_text=name).first.inner_text()
    return float(re.search(r"([\d.]+) (?:FPS|ms)", shown)[1])


def test_the_demo_runs_on_and_takes_no_more(page):
    server, page = page
    name = assets.DEFAULT_MODEL
    began, samples, rates, seen = time.monotonic(), [], [], set()
    while (seconds := time.monotonic() - began) < soak.MINUTES * 60:
        time.sleep(2)
        latency = figure(page, "Inference, p50")
        samples.append((seconds, soak.resident(server.process.pid), latency))
        rates.append(figure(page, "Pipeline"))
        seen.add(page.locator("figure img").get_attribute("src"))
    rates.sort()
    soak.judge(samples, f"{name}, {rates[len(rates) // 2]:.1f} FPS, {len(seen)} pictures seen")
    assert len(seen) > len(samples) / 2
    assert server.pipelines() == 1
