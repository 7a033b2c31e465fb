"""Writes the screenshots of docs/images: `python tests/dashboard_pictures.py [PAGE...]`.

Run it on an idle machine, because the pages show frame rates. Needs Debian's Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from dashboard_server import CHROMIUM, FLAGS, Server, until
from lanes.datasets import synthetic

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTHS = {"wide": 1280, "narrow": 390}
SHRUNK = 1000
"""Width in pixels of wide pictures other than Live, which README shows."""
PATIENCE = 300_000
"""Milliseconds to wait for an element; the demo may have to be rendered first."""


def live(page, samples):
    press(page, "Run the demo")
    page.get_by_text("IoU drivable").wait_for()
    page.get_by_text("Charts", exact=True).click()
    until(lambda: page.locator("[data-testid=stVegaLiteChart] svg").count() == 4, PATIENCE / 1e3)
    page.wait_for_timeout(25_000)


def images(page, samples):
    choose_model(page, 0, "cells-count")
    press(page, "Try synthetic images")
    page.get_by_text("All images").wait_for()


def compare(page, samples):
    choose_model(page, 1, "lanes-tiny")
    press(page, "Compare")
    page.get_by_text("Agreement: IoU").wait_for()
    page.wait_for_timeout(12_000)


def evaluate(page, samples):
    for number, kind in enumerate(("images", "masks")):
        paths = sorted((samples / kind).iterdir())
        page.locator('input[type="file"]').nth(number).set_input_files(paths)
        page.wait_for_timeout(4000)
    press(page, "Evaluate")
    page.get_by_text("Confusion matrix").wait_for()


def models(page, samples):
    until(lambda: page.locator("[data-testid=stVegaLiteChart] svg").count() >= 4)


PAGES = {page.__name__: page for page in (live, images, compare, evaluate, models)}


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def choose_model(page, number, name):
    page.get_by_role("combobox", name="Model").nth(number).click()
    page.get_by_role("option", name=name).click()
    page.wait_for_timeout(2000)


def write_samples(folder):
    """Twelve images with masks; implied lines are unknown, as no included model has the class."""
    dataset = synthetic.open("", "val", 12)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(len(dataset)):
        sample = dataset[number]
        masks = np.where(sample.targets == 3, 255, sample.targets).astype(np.uint8)
        for kind, picture in (("images", sample.image), ("masks", masks)):
            cv2.imwrite(str(folder / kind / f"f{number:02d}.png"), picture)


def write_picture(browser, url, name, width, scheme, samples):
    size = {"width": WIDTHS[width], "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/{'' if name == 'live' else name}")
    page.wait_for_selector("h1")
    page.wait_for_timeout(1500)
    PAGES[name](page, samples)
    # Streamlit scrolls inside the page, so enlarge the viewport instead.
    main = page.locator("[data-testid=stMain]")
    page.set_viewport_size({**size, "height": main.evaluate("main => main.scrollHeight")})
    page.wait_for_timeout(4000)
    path = samples / "page.png"
    page.screenshot(path=path)
    context.close()
    picture = Image.open(path).convert("RGB")
    if width == "wide" and name != "live":
        height = round(picture.height * SHRUNK / picture.width)
        picture = picture.resize((SHRUNK, height), Image.Resampling.LANCZOS)
    picture.save(IMAGES / f"dashboard-{name}-{width}-{scheme}.webp", quality=80, method=6)


def main():
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        samples, folder = Path(temporary, "samples"), Path(temporary, "server", "temporary")
        samples.mkdir()
        folder.mkdir(parents=True)
        write_samples(samples)
        server = Server(folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            for name in sys.argv[1:] or PAGES:
                for width in WIDTHS:
                    for scheme in ("light", "dark"):
                        write_picture(browser, server.url, name, width, scheme, samples)
                        print(name, width, scheme, flush=True)
        finally:
            browser.close()
            server.close()


if __name__ == "__main__":
    main()
