"""A run belongs to its visitor, who may leave, return or record."""

from __future__ import annotations

from browser_pages import MARKS, PATIENCE, changes, press
from dashboard_server import Server, until

pytestmark = MARKS


def test_two_users_at_once_have_a_pipeline_each(open_page, server):
    pages = [open_page(), open_page()]
    for page in pages:
        press(page, "Run the demo")
    assert all(changes(page) for page in pages)
    assert server.pipelines() == 2
    press(pages[0], "Stop")
    until(lambda: server.pipelines() == 1)
    assert changes(pages[1])
    press(pages[1], "Stop")
    until(lambda: server.pipelines() == 0)


def test_a_closed_tab_leaves_no_thread_and_no_file(open_page, server):
    until(lambda: server.pipelines() == 0)
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    assert server.pipelines() == 1
    assert list(server.folder.glob("lanes-tab-*"))
    page.context.close()
    until(lambda: server.pipelines() == 0)
    until(lambda: not list(server.folder.glob("lanes-*")))


def test_a_reloaded_page_finds_its_run_and_the_timeline_seeks(open_page, server, clip):
    until(lambda: server.pipelines() == 0)
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    page.reload()
    page.wait_for_selector("h1")
    assert changes(page)
    assert server.pipelines() == 1
    other = open_page()  # another browser
    other.get_by_role("button", name="Run the demo").wait_for()
    timeline = page.get_by_label("Position in seconds")
    before = float(timeline.input_value())
    until(lambda: float(timeline.input_value()) != before)
    press(page, "Pause")
    page.get_by_role("button", name="Resume").wait_for()
    timeline.evaluate(
        "input => { input.value = 1; input.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
    page.get_by_text("1.0 of", exact=False).wait_for()
    press(page, "Stop")
    press(page, "Close")


def test_the_browser_warns_before_it_leaves_a_recording(open_page):
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    assert page.evaluate("window.onbeforeunload === null")
    press(page, "Record")
    page.get_by_role("button", name="End recording").wait_for()
    until(lambda: page.evaluate("typeof window.onbeforeunload === 'function'"))
    press(page, "Stop")
    page.get_by_role("button", name="Ready: download motorway_lanes.mp4").wait_for()
    until(lambda: page.evaluate("window.onbeforeunload === null"))
    press(page, "Close")


def test_a_restart_of_the_server_is_reported(chromium, tmp_path, model_folder):
    folder = tmp_path / "temporary"
    folder.mkdir()
    server = Server(folder, f"--model={model_folder}")
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    page.wait_for_selector("h1")
    server.close()
    server = Server(folder, f"--model={model_folder}", port=server.port)
    page.get_by_text("The server was restarted").wait_for(timeout=3 * PATIENCE)
    page.close()
    server.close()
