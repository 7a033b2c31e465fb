"""Uses the dashboard's pages in Chromium: presses, uploads, downloads, looks."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from dashboard_server import CHROMIUM, until

MARKS = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
PATIENCE = 60_000
"""Milliseconds to wait for an element; the machine may be busy."""
FRAMES = 20
"""Frames of the clip that tests upload."""


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def picture(page):
    """The URL of the displayed picture, once there is one."""
    return page.wait_for_selector("figure img:not([hidden])").get_attribute("src")


DRAWN = """(image) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}"""


def pixels(page):
    """The displayed picture, (H, W, 3) BGR."""
    stored = base64.b64decode(page.locator("figure img").evaluate(DRAWN).partition(",")[2])
    return cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)


def changes(page):
    before = picture(page)
    return until(lambda: picture(page) != before)


def choose(page, source):
    page.get_by_role("radio", name=source).or_(
        page.get_by_role("button", name=source)
    ).first.click()


def model(page, name):
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=name).click()


def download(page, name, folder):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def upload(page, path):
    choose(page, "Upload")
    page.locator('input[type="file"]').first.set_input_files(path)
    page.get_by_text(path.name).wait_for()
