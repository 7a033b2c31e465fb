"""Screens for images: an OpenCV window, or a browser page."""

from __future__ import annotations

import html
import os
import queue
import secrets
import sys
import threading
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from string import Template
from typing import Any, Protocol

import cv2

from lanes.errors import BadInput
from lanes.types import Image

SWAP_WHEEL = "pip uninstall -y opencv-python-headless && pip install opencv-python"
"""Installs the OpenCV wheel with windows; the two wheels overwrite each other's files."""
LOOPBACK = "127.0.0.1"
JPEG_QUALITY = 85
WAIT_SECONDS = 0.5
"""How often a thread that serves a page checks whether it should end."""


class Screen(Protocol):
    """Shows images and reports pressed keys."""

    def show(self, image: Image) -> None:
        """Show `image` (H, W, 3) BGR."""

    def key(self) -> str | None:
        """The next pressed key ("q", " "), or None; "q" also if the window was closed."""

    def close(self) -> None:
        """Close the screen."""


def why_no_window() -> str | None:
    """The reason why OpenCV cannot open a window here; None if it can."""
    # Without a display, the GUI library would abort the program.
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return "there is no display (DISPLAY is not set)"
    lines = (line.strip() for line in cv2.getBuildInformation().splitlines())
    gui = next((line for line in lines if line.startswith("GUI:")), "")
    if "NONE" in gui.upper():
        return "this OpenCV has no windows (opencv-python-headless)"
    return None


def no_window_cure(why: str) -> str:
    """The cure for a reason of `why_no_window`."""
    if "headless" in why:
        return f"lanes-webcam shows the same in a browser; to get OpenCV windows: {SWAP_WHEEL}"
    return "omit --show, or run lanes-webcam, which shows the same in a browser"


class Window:
    """An OpenCV window; see `Screen`. Esc is reported as "q"."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = False

    def show(self, image: Image) -> None:
        """See `Screen`."""
        if not self._shown:
            # Qt's toolbar takes space, and its zoom uses the same keys.
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, flags)
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._shown = True
        cv2.imshow(self._title, image)

    def key(self) -> str | None:
        """See `Screen`; also processes the window's events."""
        if not self._shown:
            return None
        code = cv2.waitKey(1) & 0xFF
        if code == 27 or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return None if code == 0xFF else chr(code)

    def close(self) -> None:
        """See `Screen`."""
        if self._shown:
            cv2.destroyAllWindows()


class Page:
    """A page on 127.0.0.1 with an MJPEG stream of the images; see `Screen`.

    Its URL has a secret, so that neither other users of the machine nor other web sites can view
    it or press keys. A slow browser skips images and does not slow down the program. `keys` maps
    each key with a button on the page to the button's label.

    Raises:
        BadInput: the port cannot be used.
    """

    def __init__(self, title: str, keys: Mapping[str, str], port: int = 0) -> None:
        self._changed = threading.Condition()
        self._picture: Image | None = None
        self._number = 0
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._keys: queue.Queue[str] = queue.Queue()
        self.closed = False
        self.secret = secrets.token_urlsafe(9)
        page = _page(title, keys)
        try:
            self._server = _Server((LOOPBACK, port), partial(_Handler, self, page, frozenset(keys)))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadInput(
                f"port {port} of {LOOPBACK} cannot be used ({reason}): choose another, or omit it"
            ) from error
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/{self.secret}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="page", daemon=True
        )
        self._thread.start()

    def show(self, image: Image) -> None:
        """See `Screen`."""
        with self._changed:
            self._picture, self._number = image, self._number + 1
            self._changed.notify_all()

    def key(self) -> str | None:
        """See `Screen`."""
        try:
            return self._keys.get_nowait()
        except queue.Empty:
            return None

    def press(self, key: str) -> None:
        """Queue a key that was pressed on the page."""
        self._keys.put(key)

    def close(self) -> None:
        """End the streams and the server."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def newer(self, than: int) -> tuple[int, bytes] | None:
        """Wait for an image newer than number `than`: its number and JPEG; None after `close`.

        If none arrives within `WAIT_SECONDS`, the last one is returned again; sending it detects
        a closed browser.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._number > than, WAIT_SECONDS)
            if self.closed or self._picture is None:
                return None if self.closed else (0, b"")
            if self._jpeg[0] != self._number:
                options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                self._jpeg = self._number, cv2.imencode(".jpg", self._picture, options)[1].tobytes()
            return self._jpeg


class _Server(ThreadingHTTPServer):
    """Says nothing about browsers that hang up."""

    def handle_error(self, request: Any, address: Any) -> None:
        """Let the connection go; print the traceback of any other error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, address)


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection, in its own thread."""

    timeout = 10

    def __init__(self, screen: Page, page: bytes, keys: frozenset[str], *rest: object) -> None:
        self.screen, self.page, self.known = screen, page, keys
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Serve the page or the image stream."""
        if self.path == f"/{self.screen.secret}/":
            self._answer(200, "text/html; charset=utf-8", self.page)
        elif self.path.split("?")[0] == f"/{self.screen.secret}/stream":
            self._stream()
        else:
            self._answer(404, "text/plain", b"open the URL that lanes-webcam printed\n")

    def do_POST(self) -> None:
        """Accept a pressed key."""
        length = self.headers.get("Content-Length", "")
        key = self.rfile.read(min(int(length), 8) if length.isdecimal() else 0).decode("latin1")
        if self.path == f"/{self.screen.secret}/key" and key in self.known:
            self.screen.press(key)
            self._answer(204, "text/plain", b"")
        else:
            self._answer(404, "text/plain", b"no such key\n")

    def log_message(self, format: str, *words: object) -> None:
        """Log nothing: the terminal belongs to the program."""

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = 0
        # OSError: the browser closed the connection, or read nothing for `timeout` seconds.
        try:
            while (newest := self.screen.newer(number)) is not None:
                number, jpeg = newest
                if jpeg:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
                    self.wfile.write(head.encode() + b"\r\n" + jpeg + b"\r\n")
        except OSError:
            return


def _page(title: str, keys: Mapping[str, str]) -> bytes:
    buttons = "".join(
        f'<button data-key="{html.escape(key)}"><kbd>{html.escape(key.strip() or "space")}</kbd> '
        f"{html.escape(name)}</button>"
        for key, name in keys.items()
    )
    template = Template(files("lanes.live").joinpath("screen.html").read_text(encoding="utf-8"))
    return template.substitute(title=html.escape(title), buttons=buttons).encode()
