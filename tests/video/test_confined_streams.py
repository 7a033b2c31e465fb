"""What a server opens for its visitors: the address itself, and nothing that it leads to."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler

import av
import pytest

from lanes.errors import BadVideo
from lanes.video import opening, sound
from streams import Loopback, MjpegServer, RtspServer

TIMEOUT = 0.6


@pytest.fixture
def confined(monkeypatch):
    monkeypatch.setattr(opening, "_confined", threading.Event())
    opening.confine_streams()


class Answers(Loopback):
    """A web server that gives the same answer to everybody and counts who came."""

    def __init__(self, status, headers=(), body=b""):
        outer, self.asked = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler, "x.mjpg")


def test_a_stream_opens(confined):
    with MjpegServer() as camera:
        opening.open_container(camera.url, 5.0).close()


def test_an_rtsp_stream_opens(confined):
    with RtspServer() as camera:
        opening.open_container(camera.url, 5.0).close()


def test_no_redirect_is_followed(confined):
    with (
        Answers(200, body=b"secret") as inside,
        Answers(302, [("Location", inside.url)]) as outside,
    ):
        with pytest.raises(BadVideo):
            opening.open_container(outside.url, TIMEOUT)
        assert outside.asked
        assert not inside.asked
        with pytest.raises(av.FFmpegError):  # sound is read by a second connection
            sound._open(outside.url)
        assert not inside.asked


def test_no_playlist_leads_elsewhere(confined):
    with Answers(200, body=b"segment") as inside:
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{inside.url}\n#EXT-X-ENDLIST\n"
        kind = [("Content-Type", "application/vnd.apple.mpegurl")]
        with Answers(200, kind, playlist.encode()) as outside:
            with pytest.raises(BadVideo):
                opening.open_container(outside.url.replace("x.mjpg", "x.m3u8"), TIMEOUT)
            assert outside.asked
        assert not inside.asked


def test_no_answer_tells_which_ports_are_open(confined):
    with socket.socket() as closed, socket.socket() as silent, Answers(404) as web:
        closed.bind(("127.0.0.1", 0))
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ports = [closed.getsockname()[1], silent.getsockname()[1], web.server.server_port]
        said, took = set(), []
        for port in ports:
            began = time.monotonic()
            with pytest.raises(BadVideo) as error:
                opening.open_container(f"http://127.0.0.1:{port}/x", TIMEOUT)
            took.append(time.monotonic() - began)
            said.add(str(error.value).replace(str(port), "PORT"))
    assert len(said) == 1
    assert min(took) >= TIMEOUT
    assert max(took) < TIMEOUT + 2


def test_a_command_still_says_why(monkeypatch):
    monkeypatch.setattr(opening, "_confined", threading.Event())
    with Answers(404) as web, pytest.raises(BadVideo, match="404"):
        opening.open_container(web.url, TIMEOUT)
