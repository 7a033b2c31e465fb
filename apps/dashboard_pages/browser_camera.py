"""The browser's camera as a source: the browser sends pictures, the pipeline takes the newest.

The browser POSTs to the URL that serves the pipeline's own pictures (`dashboard_pages.feed`), so
there is no extra port and no signalling server. It sends a picture once the previous one has
arrived, so a slow connection cannot build a queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import streamlit as st

from dashboard_pages.feed import Feed
from lanes.colour import default_colour, from_bgr
from lanes.errors import BadInput
from lanes.types import Frame, Image, Size
from lanes.video import Source

LARGEST_PIXELS = 20_000_000
"""Height x width of the largest picture that is decoded: a few KB can claim gigabytes."""
LOST_SECONDS = 3.0
"""A camera silent for this long counts as lost until it sends again."""
HTML = '<p class="message" role="status"></p>'
CSS = """
.message { margin: 0; font: .875rem var(--st-font); color: var(--st-text-color); }
"""
JS = """
const WIDTH = 960, LEAST = 33, QUALITY = 0.85;
const cameras = new WeakMap();
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function film() {
  if (!navigator.mediaDevices)
    throw "Browsers allow the camera only on this machine (127.0.0.1) or over https.";
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    throw `The browser cannot open a camera (${error.name}): allow it in the address bar, plug ` +
      "one in, or close the program that uses it. Then stop and start again.";
  }
}

async function send(message, address) {
  let stream;
  try {
    message.textContent = "Waiting for the camera. The browser may ask for permission.";
    stream = await film();
  } catch (sentence) {
    message.textContent = sentence;
    return;
  }
  try {
    await sendFrom(stream, message, address);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

async function sendFrom(stream, message, address) {
  const video = document.createElement("video"), canvas = document.createElement("canvas");
  const [track] = stream.getVideoTracks();
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  for (let last = -1; message.isConnected && cameras.get(message) === address; ) {
    const began = performance.now();
    if (track.readyState !== "live") {
      message.textContent = "The camera is gone: plug it back in, then stop and start again.";
      return;
    }
    if (video.currentTime === last || !video.videoWidth) {
      await pause(5);
      continue;
    }
    last = video.currentTime;
    canvas.width = Math.min(WIDTH, video.videoWidth);
    canvas.height = Math.round(video.videoHeight * canvas.width / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    try {
      const answer = await fetch(address, { method: "POST", body: picture });
      if (answer.status === 410) return;
      message.textContent = answer.ok ? "" : await answer.text();
      if (!answer.ok) await pause(1000);
    } catch {
      message.textContent = "The server does not answer; retrying.";
      await pause(1000);
    }
    await pause(LEAST - (performance.now() - began));
  }
}

export default function({ data, parentElement }) {
  const message = parentElement.querySelector(".message");
  if (cameras.get(message) === data.address) return;
  cameras.set(message, data.address);
  send(message, data.address);
}
"""


class BrowserCamera(Source):
    """Yields the newest picture passed to `take`. See `lanes.video.Source`."""

    name = "camera"
    live = True

    def __init__(self) -> None:
        self.warnings = []
        self._changed = threading.Condition()
        self._newest: Image | None = None
        self._taken = self._given = 0
        self._closed = False
        self._frames = self._read()

    def take(self, content: bytes) -> None:
        """Accept a picture from the browser; raises `BadInput` if it cannot be decoded."""
        height, width = _jpeg_size(content)
        image = None
        if 0 < height * width <= LARGEST_PIXELS:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise BadInput("the browser sent an unreadable picture: restart the camera")
        with self._changed:
            self._newest, self._taken = np.asarray(image, np.uint8), self._taken + 1
            self.lost_since = None
            self._changed.notify_all()

    def opened(self) -> BrowserCamera:
        """Wait for the first picture, which sets the size, or for `close`; return this source."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed)
            self.size = self._newest.shape[:2] if self._newest is not None else (1, 1)
        self.colour = default_colour(self.size[0])
        return self

    def close(self) -> None:
        """End the source."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _read(self) -> Iterator[Frame]:
        began, index, last = time.monotonic(), 0, -1
        while (image := self._next()) is not None:
            pts = max(round((time.monotonic() - began) / self.time_base), last + 1)
            yield Frame(
                from_bgr(image, self.colour), self.colour, index, pts, self.time_base, image=image
            )
            index, last = index + 1, pts

    def _next(self) -> Image | None:
        """Wait for a new picture; None once the source is closed."""
        with self._changed:
            waits = time.monotonic()
            while not self._changed.wait_for(
                lambda: self._taken > self._given or self._closed, LOST_SECONDS
            ):
                if self.lost_since is None:
                    self.lost_since, self.losses = waits, self.losses + 1
            self._given = self._taken
            return None if self._closed else self._newest


def _jpeg_size(content: bytes) -> Size:
    """Height and width by a JPEG's frame header (ITU-T T.81, B.2.2); (0, 0) if it has none."""
    place = 2
    while content[:2] == b"\xff\xd8" and place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sides = content[place + 5 : place + 9]
            return int.from_bytes(sides[:2], "big"), int.from_bytes(sides[2:], "big")
        place += 2 + length
    return 0, 0


def show(feed: Feed) -> None:
    """Send the browser's camera to `feed` while the page is open."""
    component = st.components.v2.component("lanes_camera", html=HTML, css=CSS, js=JS)
    component(data={"address": feed.address}, key="browser-camera")
