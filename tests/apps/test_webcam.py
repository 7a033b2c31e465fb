"""`lanes webcam`: the loop on a file and on streams, its keys and its page."""

from __future__ import annotations

import http.client
import re
import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from clips import make_clip, read
from lanes import assets
from lanes.errors import BadInput, BadOutput
from lanes.live import playback
from lanes.live.screen import Page
from lanes.live.state import Figures
from streams import MjpegServer, RtspServer
from webcam_program import PATIENCE, Printed, Running, eventually, webcam


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Run in a temporary folder, without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return tmp_path


@pytest.fixture
def start(model_folder):
    """Run the program in a thread; return it once its page is up."""
    running = []

    def start(source, **changes):
        program = Running(source, model_folder, **changes)
        running.append(program)
        return program

    yield start
    for program in running:
        program.end()
    names = [thread.name for thread in threading.enumerate()]
    assert not {"live", "prefetch", "page", "load"} & set(names)


def test_a_file_is_played_at_its_own_rate_to_its_end(here, start, capsys):
    clip = make_clip(here / "drive.mp4", 50, size=(180, 320))
    began = time.monotonic()
    program = start(clip, record=here / "out.mp4")
    program.thread.join(PATIENCE)
    assert time.monotonic() - began > 1.9
    assert (program.code, program.error) == (0, None)
    printed = capsys.readouterr().out
    labelled, dropped, shown = map(
        int, re.search(r"(\d+) frames labelled in .* (\d+) dropped, (\d+) shown", printed).groups()
    )
    assert labelled + dropped == 50
    assert 0 < shown <= labelled
    assert "to the screen" not in printed.split("labelled")[1]  # a file has no latency
    assert "written: " in printed
    assert len(read(here / "out.mp4")[0]) == labelled


def test_the_page_shows_the_labels_and_its_keys_work(here, start):
    # All class 1: the overlay turns grey into green.
    clip = make_clip(
        here / "grey.mp4",
        500,
        size=(180, 320),
        draw=lambda number, size: np.full((*size, 3), 120, np.uint8),
    )
    program = start(clip)
    page = program.ask("GET", "")
    body = page.read().decode()
    assert page.status == 200
    for key, name in webcam.KEYS.items():
        assert f'data-key="{key}"' in body
        assert name in body
    pictures = program.pictures()

    def corner(picture):
        """Green minus red in the lower right corner, where there is no text."""
        return float(np.subtract(*picture[-40:, -60:, 1:].reshape(-1, 2).mean(0)))

    picture = next(pictures)
    assert picture.shape == (180, 320, 3)
    assert corner(picture) > 20
    program.press("o")
    assert eventually(lambda: corner(next(pictures)) < 5)
    program.press("o")
    assert eventually(lambda: corner(next(pictures)) > 20)
    plain = text_area(next(pictures))
    program.press("h")
    assert eventually(lambda: text_area(next(pictures)) > plain + 4)
    program.press("h")
    assert eventually(lambda: text_area(next(pictures)) < plain + 4)
    program.press("s")
    (saved,) = eventually(lambda: list(here.glob("grey_*.png")), program)
    eventually(lambda: cv2.imread(str(saved)) is not None)
    image = cv2.imread(str(saved))
    assert image.shape == (180, 320, 3)
    assert corner(image) > 20
    program.press("r")
    eventually(lambda: any(part.name.startswith(".grey_") for part in here.iterdir()), program)
    for _ in range(10):
        next(pictures)
    program.press("r")
    (recorded,) = eventually(lambda: list(here.glob("grey_*.mp4")), program)
    assert len(read(recorded)[0]) >= 5
    program.press("q")
    assert list(pictures) is not None  # the stream ends with the program
    program.thread.join(PATIENCE)
    assert program.code == 0
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def text_area(picture):
    """The number of rows that start on the dark background of the text."""
    return int((picture[:, 2].mean(-1) < 60).sum())


def test_pause_holds_the_picture(here, start):
    program = start(make_clip(here / "drive.mp4", 250, size=(180, 320)))
    pictures = program.pictures()
    next(pictures)
    program.press(" ")

    def still():
        one, other = (next(pictures)[100:] for _ in range(2))
        return np.array_equal(one, other)

    eventually(still)
    program.press(" ")
    program.end()


def test_the_next_model_is_loaded_beside_the_running_one(
    here, start, model_folder, monkeypatch, capsys
):
    monkeypatch.setattr(assets, "model_names", lambda: ["broken"])
    program = start(make_clip(here / "drive.mp4", 500, size=(180, 320)))
    program.press("m")
    printed = Printed(capsys)
    eventually(lambda: "broken: " in printed, program)
    program.press("m")  # round to the first again
    eventually(lambda: f"loading {model_folder}" in printed, program)
    assert program.thread.is_alive()


@pytest.mark.parametrize("server", [MjpegServer, RtspServer])
def test_a_stream_is_shown_lost_and_found_again(here, start, capsys, server):
    first = server()
    program = start(first.url, record=here / "out.mp4")
    assert program.error is None
    pictures = program.pictures()
    next(pictures)
    first.kill()
    printed = Printed(capsys)
    eventually(lambda: "is lost" in printed, program)
    next(pictures)  # the last picture stays
    time.sleep(1.2)
    with server(first.port):
        eventually(lambda: "is back" in printed, program)
        time.sleep(1)
        program.end()
    assert program.code == 0
    assert "dropped" in printed
    assert float(re.search(r"to the screen p50 (\d+) ms", printed.text).group(1)) < 1000
    recorded, _ = read(here / "out.mp4")
    gaps = np.diff([frame.seconds for frame in recorded])
    assert gaps.max() > 1  # the gap stays a gap


def test_a_stream_lost_before_the_first_labels_is_waited_for(here, start, monkeypatch):
    lost, segment, notice = threading.Event(), playback.segment, Figures.notice

    def slow(*words):
        with closing(segment(*words)) as results:
            for result in results:
                assert lost.wait(PATIENCE)
                time.sleep(0.2)
                yield result

    def noticed(self, sentence):
        notice(self, sentence)
        lost.set()

    monkeypatch.setattr(playback, "segment", slow)
    monkeypatch.setattr(Figures, "notice", noticed)
    server = MjpegServer()
    threading.Thread(target=lambda: (eventually(lambda: server.sent > 2), server.kill())).start()
    program = start(server.url)
    assert program.error is None
    assert next(program.pictures()).shape == (96, 160, 3)


def test_space_goes_on_where_a_paused_stream_is_lost(here, start, capsys):
    server = MjpegServer()
    program = start(server.url)
    program.press(" ")
    eventually(lambda: program.viewer.live.paused, program)
    server.kill()
    eventually(lambda: program.viewer.live.snapshot().state == "lost", program)
    program.press(" ")
    eventually(lambda: not program.viewer.live.paused, program)
    program.press(" ")
    eventually(lambda: program.viewer.live.paused, program)


def test_without_a_window_a_camera_is_recorded_for_some_seconds(here, model_folder, capsys):
    with MjpegServer() as server:
        began = time.monotonic()
        code = webcam.run(
            webcam.WebcamOptions(
                source=server.url,
                model=str(model_folder),
                engine=("onnxruntime", "auto", None, None),
                window=False,
                record=here / "out.mp4",
                seconds=1.5,
            )
        )
    assert code == 0
    assert time.monotonic() - began < 10
    frames, source = read(here / "out.mp4")
    assert 5 < len(frames) < 60
    assert frames[-1].seconds < 2.5
    assert [path.name for path in here.iterdir()] == ["out.mp4"]
    assert "written: " in capsys.readouterr().out


def test_the_page_answers_nobody_else(here, start):
    program = start(make_clip(here / "drive.mp4", 250))
    address = urlsplit(program.screen.url)
    assert address.hostname == "127.0.0.1"
    assert len(address.path) > 10
    connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE)
    for method, path in (("GET", "/"), ("GET", "/stream"), ("GET", "/x/stream"), ("POST", "/key")):
        connection.request(method, path, body="q" if method == "POST" else None)
        answer = connection.getresponse()
        assert (answer.status, answer.read() != b"") == (404, True)
    for body, headers in (("x", {}), ("", {}), ("q" * 100, {}), ("q", {"Content-Length": "many"})):
        assert program.ask("POST", "key", body, headers).status == 404
    assert program.thread.is_alive()


def test_a_browser_that_does_not_read_delays_nobody(here, start):
    program = start(make_clip(here / "drive.mp4", 200, size=(180, 320)))
    idle = program.ask("GET", "stream")  # never read from
    fresh = program.pictures()
    seen = [next(fresh) for _ in range(20)]
    assert len(seen) == 20
    program.end()
    assert program.code == 0
    idle.close()


def test_a_taken_port_is_an_error():
    page = Page("x", {"q": "quit"})
    port = urlsplit(page.url).port
    with pytest.raises(BadInput, match=f"port {port} of 127.0.0.1 cannot be used"):
        Page("x", {"q": "quit"}, port)
    page.close()
    with pytest.raises(BadInput, match="port 99999"):
        Page("x", {"q": "quit"}, 99999)


def test_a_failed_write_is_shown_in_the_picture(here, start, monkeypatch, capsys):
    program = start(make_clip(here / "drive.mp4", 500))

    def refuse(*words):
        raise BadOutput("drive.png cannot be written (No space left): choose another place")

    monkeypatch.setattr(webcam, "write_image", refuse)
    program.press("s")
    printed = Printed(capsys)
    eventually(lambda: "No space left" in printed, program)
    assert program.thread.is_alive()
