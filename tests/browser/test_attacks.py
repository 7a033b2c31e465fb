"""Every attack of a stranger on a started dashboard, over loopback only; prints what was seen.

Run with `pytest -s -m slow tests/browser/test_attacks.py`.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import http.client
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import cv2
import numpy as np
import pytest

from bombs import jpeg_bomb, png_bomb
from browser_pages import MARKS, changes, choose, download, picture, press, upload
from dashboard_server import until
from soak import resident
from streams import Loopback, free_port

pytestmark = MARKS
MORE_MIB = 400
"""The server may grow by so much while it refuses a picture of 900 megapixels (2.7 GB as BGR)."""


@pytest.fixture(autouse=True)
def traceback_free(server):
    """No attack leaves a traceback in the server's log."""
    yield
    log = Path(server.log.name).read_text()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def asked_outside(open_page):
    """Opens a page; lists the hosts other than the server that its browser asks for."""

    def opened(path=""):
        page = open_page(path)
        outside = []
        page.on("request", lambda each: outside.append(each.url) if ":9/" in each.url else None)
        return page, outside

    return opened


def seen(attack, what):
    print(f"\n{attack}: {what}")


def ask(server, path="/", method="GET", body=None, **headers):
    """The status, headers and body of an answer to a request with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, body, {k.capitalize(): v for k, v in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def open_stream(server, host, origin):
    """The first line that answers the opening of Streamlit's WebSocket."""
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}", f"Origin: {origin}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.recv(100).decode().splitlines()[0]


def feed_path(page):
    """The path of a page's pictures: they come from a secret address beside Streamlit."""
    with page.expect_request(lambda each: "/pictures/" in each.url) as waiting:
        pass
    return "/" + waiting.value.url.split("/", 3)[3].partition("?")[0]


def test_a_site_that_resolves_to_loopback_gets_nothing(server, open_page):
    page = open_page()
    press(page, "Run the demo")
    picture(page)
    pictures = feed_path(page)
    for path in ("/", pictures):
        status, _, content = ask(server, path, host="evil.example:8501")
        seen(f"DNS rebinding, GET {path[:10]}", f"{status} {content[:60]!r}")
        assert status == 403
    origin = "http://evil.example"
    status, _, _ = ask(server, pictures, "POST", b"x", origin=origin)
    seen("a camera picture from a foreign page", status)
    assert status == 403
    for foreign in (origin, "http://127.0.0.1:9", "null"):
        line = open_stream(server, f"127.0.0.1:{server.port}", foreign)
        seen(f"WebSocket from {foreign}", line)
        assert " 403" in line
    press(page, "Stop")
    press(page, "Close")


def test_no_site_frames_the_page(server):
    status, headers, _ = ask(server)
    policy = {k.lower(): v for k, v in headers.items()}
    seen("framing", f"{policy['content-security-policy']}, {policy['x-frame-options']}")
    assert status == 200
    assert "frame-ancestors 'self'" in policy["content-security-policy"]


def test_markup_in_a_file_name_fetches_nothing(asked_outside, tmp_path):
    name = "![x](http:⁄⁄127.0.0.1:9⁄x.png) :red[y] $z$.png"
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((64, 96, 3), 100, np.uint8))
    (tmp_path / "plain.png").rename(tmp_path / name)
    page, outside = asked_outside("images")
    page.locator('input[type="file"]').set_input_files(tmp_path / name)
    page.wait_for_selector(".pair .before[src^=data]")
    seen("Markdown in a file name", f"{len(outside)} requests, no picture of it")
    assert not outside
    assert not page.locator("img[alt=x]").count()


def test_a_formula_in_a_file_name_stays_text(open_page, tmp_path):
    path = tmp_path / "=1+1.png"
    assert cv2.imwrite(str(path), np.full((64, 96, 3), 100, np.uint8))
    page = open_page("images")
    page.locator('input[type="file"]').set_input_files(path)
    page.wait_for_selector(".pair .before[src^=data]")
    with download(page, "Table of images", tmp_path).open(newline="") as table:
        (row,) = csv.DictReader(table)
    seen("formula in a CSV", row["image"])
    assert row["image"].startswith("'=")


def test_a_picture_bomb_costs_no_memory(open_page, server, tmp_path):
    page = open_page("images")
    before = resident(server.process.pid)
    page.locator('input[type="file"]').set_input_files(png_bomb(tmp_path / "bomb.png"))
    page.get_by_text("too many pixels").wait_for()
    more = resident(server.process.pid) - before
    seen("PNG of 900 megapixels", f"refused; {more:.0f} MiB more")
    assert more < MORE_MIB


def test_a_camera_bomb_is_refused_at_once(open_page, server):
    page = open_page()
    choose(page, "Camera of this browser")
    press(page, "Start")
    page.get_by_text("The browser cannot open a camera").wait_for()
    secret = feed_path(page)
    began, before = time.monotonic(), resident(server.process.pid)
    status, _, content = ask(server, secret, "POST", jpeg_bomb())
    more = resident(server.process.pid) - before
    took = time.monotonic() - began
    seen("JPEG of 900 megapixels", f"{status} {content[:50]!r}, {took:.1f} s, {more:.0f} MiB")
    assert status == 400
    assert more < MORE_MIB
    status, _, _ = ask(server, secret, "POST", bytes(5_000_000))
    seen("camera picture of 5 MB", status)
    assert status == 413
    press(page, "Stop")
    press(page, "Close")


@pytest.mark.parametrize("given", ["/etc/passwd", "../../etc/passwd", "file:///etc/passwd"])
def test_a_path_outside_is_refused(open_page, given):
    page = open_page()
    said = refusal(page, given)
    seen(given, said)
    assert "root:" not in said


def test_a_nul_byte_is_a_sentence(open_page):
    seen("NUL byte", refusal(open_page(), "a\0b.mp4"))


def refusal(page, given):
    """What the Live page says of a path or URL."""
    choose(page, "Path or URL")
    field = page.get_by_label("File, folder of images, or stream URL")
    field.fill(given)
    field.press("Enter")
    press(page, "Start")
    error = page.locator("[data-testid=stAlertContentError]").first
    error.wait_for()
    return error.inner_text()


class Redirecting(Loopback):
    """A web server that leads to another address, and counts who came."""

    def __init__(self, place=None):
        outer, self.asked = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(302 if place else 200)
                if place:
                    self.send_header("Location", place)
                self.end_headers()

        super().__init__(Handler, "x.mjpg")


def test_a_stream_leads_nowhere_else(open_page):
    with Redirecting() as inside, Redirecting(inside.url) as outside:
        said = refusal(open_page(), outside.url)
        seen("a stream that redirects", f"asked {outside.asked}, then {inside.asked}; {said}")
        assert outside.asked
        assert not inside.asked


def test_no_answer_tells_which_ports_are_open(open_page):
    with socket.socket() as closed, Redirecting() as web:
        closed.bind(("127.0.0.1", 0))
        ports = [closed.getsockname()[1], web.server.server_port]
        urls = [f"http://127.0.0.1:{port}/x" for port in ports]
        said = {refusal(open_page(), url).replace(url, "URL") for url in urls}
    seen("a closed and an open port", said)
    assert len(said) == 1


def test_an_uploaded_playlist_opens_nothing(open_page, clip, tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {clip}\n")
    page = open_page()
    upload(page, path)
    press(page, "Start")
    page.get_by_text("list.mp4 is not a video").wait_for()
    said = page.get_by_text("list.mp4 is not a video").inner_text()
    seen("an uploaded playlist", said)
    assert str(clip.parent) not in said


def test_hang_ups_leave_no_traceback(open_page, server):
    page = open_page()
    press(page, "Run the demo")
    assert changes(page)
    secret = feed_path(page)
    for request in (f"GET {secret}", f"POST {secret}", "GET /_stcore/health"):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                words = [f"{request} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
                connection.sendall("\r\n".join([*words, "Content-Length: 9", "", "x"]).encode())
    assert changes(page)
    seen("15 hang-ups", "the run goes on")
    press(page, "Stop")
    press(page, "Close")


def test_a_terminal_is_asked_for_nothing(tmp_path):
    master, slave = pty.openpty()
    port = free_port()
    environment = {**os.environ, "HOME": str(tmp_path), "BROWSER": "true", "DISPLAY": ":0"}
    command = [sys.executable, "-m", "lanes.cli", "dashboard", "--server.port", str(port)]
    server = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    try:
        text = read_terminal(master, f":{port}")
        until(lambda: answers(port))
    finally:
        os.killpg(server.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        os.close(master)
        os.close(slave)
    seen("a terminal", " | ".join(text.split("\n")[:4]).replace("\r", ""))
    assert "mail" not in text.lower()


def read_terminal(master, wanted, seconds=120):
    """What a program prints to its terminal until `wanted` comes."""
    text, end = "", time.monotonic() + seconds
    while wanted not in text and "mail:" not in text:
        assert time.monotonic() < end, text
        if select.select([master], [], [], 1.0)[0]:
            text += os.read(master, 4096).decode(errors="replace")
    return text


def answers(port):
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
