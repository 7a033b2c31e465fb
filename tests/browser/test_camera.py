"""The browser's camera as a source."""

from __future__ import annotations

import pytest

from browser_pages import MARKS, PATIENCE, changes, choose, download, model, pixels, press
from clips import read
from dashboard_server import CHROMIUM, FLAGS, until

pytestmark = MARKS


@pytest.fixture
def filmed(tmp_path):
    """The fake camera's video: white, which the test model labels lane line."""
    height, width = 96, 160
    planes = bytes([235]) * (height * width) + bytes([128]) * (height * width // 2)
    path = tmp_path / "white.y4m"
    path.write_bytes(b"YUV4MPEG2 W160 H96 F25:1 Ip C420jpeg\n" + (b"FRAME\n" + planes) * 10)
    return path


def camera_page(playwright, server, flags):
    """The Live page in a separate Chromium, whose camera is a file or missing."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    page.wait_for_selector("h1")
    model(page, "thresholds")
    choose(page, "Camera of this browser")
    press(page, "Start")
    yield page
    browser.close()


FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture
def camera(playwright, server, filmed):
    yield from camera_page(
        playwright, server, [*FAKE, f"--use-file-for-fake-video-capture={filmed}"]
    )


@pytest.fixture
def no_camera(playwright, server):
    yield from camera_page(playwright, server, [])


def test_the_browsers_camera_comes_back_labelled_and_recorded(camera, tmp_path):
    assert changes(camera)
    camera.get_by_text("100.0%").first.wait_for()  # share of lane line
    blue, green, red = pixels(camera).mean((0, 1))
    assert red > max(blue, green) + 25  # white, which the class of lane lines tints red
    camera.get_by_text("Latency, p95").wait_for()
    press(camera, "Record")
    camera.get_by_role("button", name="End recording").wait_for()
    until(lambda: changes(camera))
    press(camera, "Stop")
    video = download(camera, "Ready: download camera_lanes.mp4", tmp_path)
    frames = read(video)[0]
    assert len(frames) >= 2
    assert frames[0].size == (96, 160)
    press(camera, "Close")
    camera.get_by_role("button", name="Run the demo").wait_for()


def test_a_browser_without_a_camera_says_so(no_camera):
    no_camera.get_by_text("The browser cannot open a camera").wait_for()
    press(no_camera, "Stop")
    press(no_camera, "Close")
    no_camera.get_by_role("button", name="Run the demo").wait_for()
