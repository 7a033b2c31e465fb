"""Servers of live streams on the loopback, which a test may kill and start again on their port."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest

from clips import picture

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's packages of GStreamer belong to this one, not to a virtual environment."""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def part(jpeg):
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


class Loopback:
    """An HTTP server on 127.0.0.1 until its block ends; `url` ends in `path`."""

    def __init__(self, handler, path, port=0):
        handler.log_message = lambda self, *words: None
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/{path}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self):
        """Answer nobody any more."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()


class MjpegServer(Loopback):
    """A camera as many sell them: numbered JPEG pictures over HTTP, `rate` a second."""

    def __init__(self, port=0, rate=25.0, size=(96, 160)):
        outer = self
        self.ended, self.silent = threading.Event(), threading.Event()
        self.sent = 0

        class Camera(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                try:
                    while not outer.ended.is_set():
                        if not outer.silent.is_set():
                            image = picture(number % 256, size)
                            self.wfile.write(part(cv2.imencode(".jpg", image)[1].tobytes()))
                            number += 1
                            outer.sent += 1
                        time.sleep(1 / rate)
                except OSError:
                    return

        super().__init__(Camera, "camera.mjpg", port)

    def kill(self):
        """Hang up on everybody, and answer nobody any more."""
        self.ended.set()
        super().kill()


class FileServer(Loopback):
    """A file over HTTP, always whole: ranges are ignored.

    Without `length` its size is not stated. It is sent over `seconds`.
    """

    def __init__(self, path, length=True, seconds=0.0):
        content = Path(path).read_bytes()
        step = len(content) if not seconds else max(1, len(content) // 100)
        outer = self
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(200)
                if length:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    for place in range(0, len(content), step):
                        self.wfile.write(content[place : place + step])
                        time.sleep(seconds * step / len(content))
                except OSError:
                    return

        super().__init__(Handler, Path(path).name)


RTSP = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
assert Gst.ElementFactory.find("x264enc"), "no x264enc"
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )")
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


class RtspServer:
    """GStreamer's RTSP server in a process of its own: a ball in H.264, 25 a second.

    Skips the test where it is not installed: Debian's gir1.2-gst-rtsp-server-1.0, python3-gi,
    gstreamer1.0-plugins-good and -ugly.
    """

    def __init__(self, port=0):
        self.port = port or free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/camera"
        if not Path(SYSTEM_PYTHON).exists():
            pytest.skip("no RTSP server: no system Python with GStreamer")
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, "-c", RTSP, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline().strip() != "ready":
            reason = self.process.stderr.read().strip().splitlines()[-1:]
            self.kill()
            pytest.skip(f"no RTSP server here ({reason}): see tests/streams.py")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()
