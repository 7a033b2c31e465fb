"""Runs the demo on the Live page for minutes, and for many visitors: memory stays flat.

See `soak` for the duration and the number of visitors.
"""

from __future__ import annotations

import re
import time

import pytest

import soak
from dashboard_server import CHROMIUM, FLAGS, Server, until
from lanes import assets

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
pytestmark = [
    *soak.marks,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture
def server(tmp_path):
    """A server that soon forgets a visitor who has left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    server = Server(folder, grace=1.0, kept=1.0)
    yield server
    server.close()


@pytest.fixture
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def visit(server, browser):
    """Open the first page as a new visitor, and run the demo until a picture is seen."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(server.url)
    page.get_by_role("button", name="Run the demo").click()
    page.wait_for_selector("figure img:not([hidden])")
    return page


def figure(page, name):
    """A figure of the page, without its unit."""
    shown = page.locator("[data-testid=stMetric]").filter(has_text=name).first.inner_text()
    return float(re.search(r"([\d.]+) (?:FPS|ms)", shown)[1])


def test_the_demo_runs_on_and_takes_no_more(server, browser):
    page = visit(server, browser)
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


@pytest.mark.timeout(soak.VISITS * 60 + 400)
def test_visitors_leave_no_memory_behind(server, browser):
    sizes = []
    for _ in range(soak.VISITS):
        visit(server, browser).close()
        until(lambda: server.pipelines() == 0)
        sizes.append(soak.resident(server.process.pid))
    warm, last = sizes[: len(sizes) // 3 + 1][-1], sizes[-1]
    print(f"\n{soak.VISITS} visits: {sizes[0]:.0f} MiB, {warm:.0f} after a third, {last:.0f} last")
    assert last < 1.15 * warm
    until(lambda: not list(server.folder.glob("lanes-tab-*")))
