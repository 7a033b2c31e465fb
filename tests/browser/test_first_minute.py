"""A newcomer's first minute: clicks and seconds to an overlay, and to a video of one's own.

Run with `pytest -s -m slow tests/browser/test_first_minute.py` on an idle machine: it prints the
seconds, and judges only the clicks.
"""

from __future__ import annotations

import time

import pytest

from browser_pages import FRAMES, MARKS, PATIENCE, download, press
from clips import make_clip, read
from dashboard_server import Server

pytestmark = MARKS
MOST_CLICKS = 3
"""From opening the page to a downloaded video, besides the file dialog's."""
COUNT = """
window.clicks = 0;
const count = (event) => { window.clicks += event.isTrusted && event.detail > 0; };
addEventListener("click", count, true);
"""
TIMES = """
addEventListener("click", () => {
  const began = performance.now(), times = window.times = {};
  const timer = setInterval(() => {
    const image = document.querySelector("figure img:not([hidden])");
    if (image?.naturalWidth) { times.overlay ??= performance.now() - began; clearInterval(timer); }
  }, 10);
  const look = new MutationObserver(() => {
    const now = performance.now() - began;
    requestAnimationFrame(() => { times.feedback ??= now; });
    look.disconnect();
  });
  look.observe(document.body, { childList: true, subtree: true });
}, { capture: true, once: true });
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A server just started, on a machine that has cached nothing."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = Server(folder)
    yield server
    server.close()


@pytest.fixture
def new_page(chromium, fresh):
    """Opens the first page, with a script in it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})

    def opened(script):
        page = context.new_page()
        page.set_default_timeout(3 * PATIENCE)
        page.add_init_script(script)
        page.goto(fresh.url)
        page.get_by_role("button", name="Run the demo").wait_for()
        return page

    yield opened
    context.close()


def test_the_first_overlay(new_page):
    page = new_page(TIMES)
    press(page, "Run the demo")
    page.wait_for_function("window.times?.overlay")
    times = page.evaluate("window.times")
    print(f"\nfeedback {times['feedback']:.0f} ms, first overlay {times['overlay']:.0f} ms")
    assert times["feedback"] < times["overlay"]


def test_a_video_of_ones_own_takes_three_clicks(new_page, tmp_path):
    clip = make_clip(tmp_path / "drive.mp4", FRAMES, size=(96, 160))
    began = time.monotonic()
    page = new_page(COUNT)
    page.get_by_role("radio", name="Upload").or_(
        page.get_by_role("button", name="Upload")
    ).first.click()
    with page.expect_file_chooser() as dialog:
        page.locator("[data-testid=stFileUploaderDropzone] button").first.click()
    before_dialog = page.evaluate("window.clicks")
    dialog.value.set_files(clip)
    page.get_by_text(clip.name).wait_for()
    press(page, "Start")
    video = download(page, "Ready: download drive_lanes.mp4", tmp_path)
    seconds, clicks = time.monotonic() - began, page.evaluate("window.clicks") - 1
    print(f"\n{clicks} clicks and the file dialog, {seconds:.1f} s with the page's opening")
    assert len(read(video)[0]) == FRAMES
    assert before_dialog == 2
    assert clicks <= MOST_CLICKS
