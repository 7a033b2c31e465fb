"""The dashboard end to end: a real server, opened in Debian's Chromium."""

from __future__ import annotations

import base64
import json

import av
import cv2
import numpy as np
import pytest

from clips import make_clip, read
from dashboard_server import CHROMIUM, FLAGS, Server, until

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
PATIENCE = 60_000
"""Milliseconds to wait for an element; the machine may be busy."""
FRAMES = 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clips") / "drive.mp4", FRAMES, size=(96, 160))


@pytest.fixture(scope="module")
def server(tmp_path_factory, own_cache, model_folder, clip):
    folder = tmp_path_factory.mktemp("server") / "temporary"
    folder.mkdir()
    options = (f"--model={model_folder}", f"--allow-paths={clip.parent}")
    options += ("--server.maxUploadSize", "1")
    server = Server(folder, *options, grace=10.0, kept=1.0, small=True)
    yield server
    server.close()


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
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


def test_a_path_outside_is_refused(open_page, clip):
    page = open_page()
    choose(page, "Path or URL")
    field = page.get_by_label("File, folder of images, or stream URL")
    field.fill("/etc/passwd")
    field.press("Enter")
    press(page, "Start")
    page.get_by_text("outside the folders").wait_for()


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
    press(page, "Evaluate")
    page.get_by_text("Confusion matrix").wait_for()
    figures = json.loads(download(page, "All figures (JSON)", tmp_path).read_text())
    assert figures["figures"]["pixel accuracy"]["value"] == 0.5


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


def test_markup_in_a_file_name_fetches_nothing(open_page, tmp_path):
    name = "![x](http:⁄⁄127.0.0.1:9⁄x.png) :red[y] $z$.png"
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((64, 96, 3), 100, np.uint8))
    (tmp_path / "plain.png").rename(tmp_path / name)
    page = open_page("images")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator('input[type="file"]').set_input_files(tmp_path / name)
    page.wait_for_selector(".pair .before[src^=data]")
    assert not [url for url in asked if ":9" in url]
    assert not page.locator("img[alt=x]").count()


def serious(page):
    """What axe-core finds serious: in our own markup and colours, and in Streamlit's markup."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    ours, streamlits = [], []
    for rule in found:
        if rule["impact"] not in ("serious", "critical"):
            continue
        for node in rule["nodes"]:
            # Our components have a shadow root each; the theme's colours are ours, too.
            own = isinstance(node["target"][0], list) or rule["id"] == "color-contrast"
            text = f"{rule['id']}: {node['html'][:160]}"
            (ours if own or "swatches" in node["html"] else streamlits).append(text)
    return ours, streamlits


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["live", "images", "compare", "evaluate", "models"])
def test_axe_finds_nothing_serious_in_our_markup(open_page, path, scheme):
    page = open_page(path)
    page.emulate_media(color_scheme=scheme)
    page.wait_for_timeout(3000)
    ours, streamlits = serious(page)
    print(f"{path} {scheme}, Streamlit's own: {sorted(set(streamlits))}")
    assert not ours


def test_axe_finds_nothing_serious_in_a_run(open_page):
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    page.get_by_text("IoU drivable").wait_for()
    ours, _ = serious(page)
    press(page, "Stop")
    press(page, "Close")
    assert not ours
