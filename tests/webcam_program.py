"""Runs `lanes webcam` in a thread, with what a browser sees of it."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

import cv2
import numpy as np

from lanes import assets

PATIENCE = 30
webcam = assets.app("webcam")


class Running:
    """The program in a thread, and what a browser sees of it."""

    def __init__(self, source, model, backend="onnxruntime", **changes):
        self.viewer = self.screen = self.code = self.error = None
        self.there = threading.Event()
        options = webcam.WebcamOptions(
            source=str(source),
            model=str(model),
            engine=(backend, "auto", None, None),
            **changes,
        )

        def run():
            try:
                self.code = webcam.run(options, self._opened)
            except Exception as error:
                self.error = error
            self.there.set()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert self.there.wait(PATIENCE)

    def _opened(self, viewer):
        self.viewer, self.screen = viewer, viewer.screen
        self.there.set()

    def press(self, key):
        self.ask("POST", "key", key)

    def ask(self, method, path, body=None, headers=None):
        address = urlsplit(self.screen.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE)
        connection.request(method, address.path + path, body, headers or {})
        return connection.getresponse()

    def pictures(self):
        """The pictures of the page's stream, one after the other."""
        answer = self.ask("GET", "stream")
        assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        while line := answer.readline():
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
                answer.readline()
                jpeg = np.frombuffer(answer.read(length), np.uint8)
                yield cv2.imdecode(jpeg, cv2.IMREAD_COLOR)

    def end(self):
        if self.screen and self.thread.is_alive():
            self.screen.press("q")
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


class Printed:
    """All that the program has printed so far."""

    def __init__(self, capsys):
        self.capsys, self.text = capsys, ""

    def __contains__(self, words):
        self.text += self.capsys.readouterr().out
        return words in self.text


def eventually(true, program=None):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := true():
            return found
        assert program is None or program.thread.is_alive(), program.error
        time.sleep(0.02)
    raise AssertionError("never so")
