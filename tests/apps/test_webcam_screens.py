"""`lanes webcam` on real screens: OpenCV's window under Xvfb, and the page in Chromium.

Slow: the window needs OpenCV's GUI wheel, which is installed into a temporary environment (or set
LANES_WINDOW_PYTHON to an existing one). If LANES_SCREENSHOTS names a folder, screenshots go there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from clips import make_clip, read
from dashboard_server import CHROMIUM, FLAGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.fixture
def clip(tmp_path):
    """Grey, which the model labels class 1, with a moving white square."""

    def draw(number, size):
        image = np.full((*size, 3), 120, np.uint8)
        x = 20 + number * 7 % (size[1] - 80)
        image[size[0] // 2 :, x : x + 40] = 255
        return image

    # 150 s, because the program ends with its clip, and the machine may be busy.
    path, rate = tmp_path / "grey.mp4", Fraction(10)
    return make_clip(path, 1500, size=(360, 640), rate=rate, draw=draw, gop=50)


def command(python, clip, model_folder, *options):
    program = [python, "-m", "lanes.cli", "webcam", clip, "--model", model_folder]
    return [*map(str, program), "--backend", "onnxruntime", *options]


def keep(path):
    """Keep a screenshot for inspection."""
    if folder := os.environ.get("LANES_SCREENSHOTS"):
        shutil.copy(path, Path(folder) / path.name)


def eventually(true, process=None):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := true():
            return found
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("never so")


# ------------------------------------------------------------------ the window


@pytest.fixture(scope="module")
def window_python(tmp_path_factory):
    """A Python whose OpenCV has windows, and otherwise this one's packages."""
    if given := os.environ.get("LANES_WINDOW_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp("window")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "opencv-python>=4.10"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"opencv-python cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    (packages,) = folder.glob("lib/python*/site-packages")
    # A .pth file appends to the path, so its own packages come first.
    (packages / "zz_ours.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture
def display(tmp_path):
    """A virtual X server; its framebuffer is in `tmp_path`."""
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("no Xvfb and xdotool: apt-get install xvfb xdotool")
    # The server picks a free display number and writes it to the pipe.
    ours, its = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(its), "-screen", "0", "1000x700x24", "-fbdir", str(tmp_path)],
        pass_fds=[its],
        stderr=subprocess.DEVNULL,
    )
    os.close(its)
    with os.fdopen(ours) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb does not start"
    yield f":{number}"
    server.terminate()
    server.wait()


def screenshot(folder):
    """The X server's screen, from its XWD file: a header of 32-bit numbers, then BGRX."""
    content = (folder / "Xvfb_screen0").read_bytes()
    header = np.frombuffer(content, ">u4", 25)
    size, width, height, line, colours = (int(header[i]) for i in (0, 4, 5, 12, 19))
    pixels = np.frombuffer(content, np.uint8, height * line, size + colours * 12)
    return pixels.reshape(height, -1, 4)[:, :width, :3]


def greenness(picture):
    """Green minus red in the greenest 100 x 100 block."""
    difference = picture[..., 1].astype(np.float32) - picture[..., 2]
    return float(cv2.blur(difference, (100, 100)).max())


def test_the_window(tmp_path, clip, model_folder, window_python, display):
    environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": str(ROOT)}
    environment["QT_LOGGING_RULES"] = "*=false"
    process = subprocess.Popen(
        command(window_python, clip, model_folder),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def press(key):
        subprocess.run(["xdotool", "key", key], env=environment, check=True)

    try:
        eventually(lambda: greenness(screenshot(tmp_path)) > 20, process)
        first = screenshot(tmp_path)
        eventually(lambda: not np.array_equal(first, screenshot(tmp_path)), process)
        search = ["xdotool", "search", "--name", "lanes webcam"]
        found = subprocess.run(search, env=environment, capture_output=True, text=True)
        window = found.stdout.split()[-1]
        subprocess.run(["xdotool", "windowfocus", "--sync", window], env=environment, check=True)
        press("h")
        time.sleep(1)
        cv2.imwrite(str(tmp_path / "window.png"), screenshot(tmp_path))
        keep(tmp_path / "window.png")
        press("h")
        press("o")
        eventually(lambda: greenness(screenshot(tmp_path)) < 10, process)
        press("o")
        press("s")
        eventually(lambda: list(tmp_path.glob("grey_*.png")), process)
        press("r")
        time.sleep(2)
        press("r")
        (video,) = eventually(lambda: list(tmp_path.glob("grey_*.mp4")), process)
        assert len(read(video)[0]) > 5
        press("q")
        printed, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        assert "shown" in printed
    finally:
        process.kill()
        process.communicate()


# ------------------------------------------------------------------ the page


@pytest.fixture
def page(tmp_path, clip, model_folder):
    """The program, and its page in Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    process = subprocess.Popen(
        command(sys.executable, clip, model_folder),
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        line = ""
        while "live view: " not in line:
            line = process.stdout.readline()
            assert line, "the program ended"
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1000, "height": 700})
            page.wrong = []
            page.on("pageerror", lambda error: page.wrong.append(str(error)))
            page.goto(line.split()[-1], wait_until="commit")
            yield page, process
            browser.close()
    finally:
        process.kill()
        process.communicate()


def seen(page, path):
    """A screenshot; on a busy machine, Chromium may fail to take one just after its start."""
    from playwright.sync_api import Error

    def taken():
        try:
            return page.screenshot(path=path)
        except Error as error:
            if "Unable to capture screenshot" not in error.message:
                raise
            return None

    eventually(taken)
    return cv2.imread(str(path))


def stays(page, path):
    """Whether the page looks the same a second later."""
    before = seen(page, path)
    time.sleep(1)
    return np.array_equal(before, seen(page, path))


def test_the_page_in_a_browser(tmp_path, page):
    page, process = page
    path = tmp_path / "page.png"
    eventually(lambda: greenness(seen(page, path)) > 20, process)
    first = seen(page, path)
    eventually(lambda: not np.array_equal(first, seen(page, path)), process)
    keep(path)
    page.keyboard.press("o")
    eventually(lambda: greenness(seen(page, path)) < 10, process)
    page.get_by_role("button", name="overlay").click()
    eventually(lambda: greenness(seen(page, path)) > 20, process)
    page.keyboard.press("Space")
    eventually(lambda: stays(page, path), process)  # frames in flight may follow the key
    page.keyboard.press("Space")
    eventually(lambda: not stays(page, path), process)
    page.get_by_role("button", name="overlay").focus()
    page.keyboard.press("Space")  # presses the button instead of pausing
    eventually(lambda: greenness(seen(page, path)) < 10, process)
    plain = seen(page, path)
    eventually(lambda: not np.array_equal(plain, seen(page, path)), process)
    page.get_by_role("button", name="overlay").focus()
    page.keyboard.press("s")  # letters still work as keys
    eventually(lambda: list(tmp_path.glob("grey_*.png")), process)
    page.keyboard.press("h")
    time.sleep(1)
    page.set_viewport_size({"width": 390, "height": 700})
    narrow = tmp_path / "page-narrow.png"
    seen(page, narrow)
    keep(narrow)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="quit").click()
    assert process.wait(PATIENCE) == 0
    page.get_by_text("The program has ended").wait_for(timeout=10_000)
    assert page.wrong == []


def test_the_page_says_when_the_program_was_killed(tmp_path, page):
    page, process = page
    eventually(lambda: greenness(seen(page, tmp_path / "page.png")) > 20, process)
    process.send_signal(signal.SIGKILL)
    page.get_by_text("The program has ended").wait_for(timeout=10_000)
    seen(page, tmp_path / "page-ended.png")
    keep(tmp_path / "page-ended.png")
