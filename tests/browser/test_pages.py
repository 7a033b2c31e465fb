"""Every page of the dashboard end to end."""

from __future__ import annotations

import json

import av
import cv2
import numpy as np
import pytest

from browser_pages import FRAMES, MARKS, changes, download, model, press, upload
from clips import read
from dashboard_server import until

pytestmark = MARKS


def test_one_button_shows_the_demo_with_rates_and_iou(open_page):
    page = open_page()
    press(page, "Run the demo")
    page.wait_for_selector("figure img:not([hidden])", timeout=300_000)  # renders the demo first
    assert changes(page)
    page.get_by_text("IoU drivable").wait_for()
    caption = page.locator("figcaption")
    until(lambda: "pipeline" in caption.inner_text() and "displayed" in caption.inner_text())
    assert not page.locator("[data-testid=stVegaLiteChart]").count()
    page.get_by_text("Charts", exact=True).click()
    until(lambda: page.locator("[data-testid=stVegaLiteChart] svg").count() == 4)
    press(page, "Stop")
    press(page, "Close")
    page.get_by_role("button", name="Run the demo").wait_for()


def test_an_uploaded_clip_comes_back_as_h264(open_page, clip, tmp_path):
    page = open_page()
    model(page, "thresholds")
    upload(page, clip)
    press(page, "Start")
    page.get_by_role("button", name="Play again").wait_for()
    ready = page.get_by_role("button", name="Ready: download drive_lanes.mp4")
    assert ready.bounding_box()["y"] < page.viewport_size["height"]
    video = download(page, "Ready: download drive_lanes.mp4", tmp_path)
    assert video.name == "drive_lanes.mp4"
    assert len(read(video)[0]) == FRAMES
    with av.open(str(video)) as container:
        assert container.streams.video[0].codec.name == "h264"
    page.get_by_text("More downloads").click()
    lines = download(page, "Frames (JSON lines)", tmp_path).read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(FRAMES))
    shot = cv2.imread(str(download(page, "Snapshot (PNG)", tmp_path)))
    assert shot.shape == (96, 160, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"just words", "it holds text"), (b"\x00\x01" * 400, "its format is not supported")],
)
def test_a_file_that_is_not_a_video_is_an_error(open_page, tmp_path, content, message):
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    page = open_page()
    upload(page, path)
    press(page, "Start")
    page.get_by_text(message).wait_for()
    assert page.get_by_text("holiday.mp4 is not a video").count()


def test_an_upload_over_the_limit_is_refused(open_page, tmp_path, server):
    path = tmp_path / "long.mp4"
    path.write_bytes(bytes(2_000_000))
    earlier = set(server.folder.rglob("upload"))  # of tabs that wait for their visitors
    page = open_page()
    upload(page, path)
    page.get_by_text("File must be 1MB or smaller").or_(
        page.get_by_text("1.0MB or smaller")
    ).wait_for()
    assert page.get_by_role("button", name="Start").is_disabled()
    assert set(server.folder.rglob("upload")) <= earlier


def test_images_are_compared_and_their_table_is_given(open_page, tmp_path):
    grey = np.full((64, 96, 3), 100, np.uint8)
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in paths:
        cv2.imwrite(str(path), grey)
    page = open_page("images")
    model(page, "thresholds")
    page.locator('input[type="file"]').set_input_files(paths)
    page.wait_for_selector(".pair .before[src^=data]")
    slider = page.get_by_label("How much of the original is shown")
    at = page.locator(".pair").evaluate("pair => pair.style.getPropertyValue('--at')")
    slider.press("ArrowRight")
    moved = page.locator(".pair").evaluate("pair => pair.style.getPropertyValue('--at')")
    assert float(moved.strip("%")) > float(at.strip("%"))
    table = download(page, "Table of images", tmp_path).read_text().splitlines()
    assert table[0].startswith("image,width_px,height_px,drivable_share")
    assert [line.split(",")[0] for line in table[1:]] == ["one.png", "two.png"]


def test_two_models_are_compared_side_by_side(open_page):
    page = open_page("compare")
    press(page, "Compare")
    until(lambda: page.locator("figure img:not([hidden])").count() == 2)
    page.get_by_text("Agreement: IoU").wait_for()
    page.get_by_text("IoU lane line").nth(1).wait_for()


def test_a_model_is_scored_on_sent_images(open_page, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for name, grey in (("one.png", 0), ("two.png", 100)):
        cv2.imwrite(str(tmp_path / "images" / name), np.full((64, 96, 3), grey, np.uint8))
        cv2.imwrite(str(tmp_path / "masks" / name), np.zeros((64, 96), np.uint8))
    page = open_page("evaluate")
    model(page, "thresholds")
    for number, kind in enumerate(("images", "masks")):
        paths = [tmp_path / kind / name for name in ("one.png", "two.png")]
        page.locator('input[type="file"]').nth(number).set_input_files(paths)
        page.get_by_text("two.png").nth(number).wait_for()
        page.wait_for_timeout(3000)  # the page draws its fields anew; nobody is faster
    press(page, "Evaluate")
    page.get_by_text("Confusion matrix").wait_for()
    figures = json.loads(download(page, "All figures (JSON)", tmp_path).read_text())
    assert figures["figures"]["pixel accuracy"]["value"] == 0.5


def test_every_model_has_a_card(open_page):
    page = open_page("models")
    page.get_by_role("tab", name="Data and terms").click()
    page.get_by_text("Terms of the weights").wait_for()
    page.get_by_text("BDD100K drivable maps").wait_for()


@pytest.mark.parametrize("path", ["", "live", "images", "compare", "evaluate", "models"])
def test_every_address_opens(open_page, path):
    page = open_page(path)
    assert page.locator("h1").inner_text() == (path or "live").capitalize()
    assert not page.get_by_text("Page not found").count()


def test_every_source_is_seen_on_a_phone(open_page):
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 844})
    last = page.get_by_text("Camera of the server", exact=True)
    last.scroll_into_view_if_needed()
    box = last.bounding_box()
    assert box["x"] + box["width"] < 390
    group = page.locator("[role=radiogroup]").filter(has=last)
    assert group.evaluate("group => group.scrollWidth <= group.clientWidth")
