"""The camera of the browser as a source: it sends pictures, the pipeline takes the newest.

They go to the address of the pipeline's own pictures (`dashboard_pages.feed`), through the server
that the page comes from: no other port, and no server that tells browsers of each other. The next
one is sent when the one before has arrived, so that a slow line makes no queue.
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
from lanes.types import Frame, Image
from lanes.video import Source

LOST_SECONDS = 3.0
"""A camera that is silent for so long is lost; it may come back."""
HTML = '<p class="told" role="status"></p>'
CSS = """
.told { margin: 0; font: .875rem var(--st-font); color: var(--st-text-color); }
"""
JS = """
const WIDTH = 960, LEAST = 33, QUALITY = 0.85;
const cameras = new WeakMap();
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function film() {
  if (!navigator.mediaDevices)
    throw "Browsers give a camera only to pages of their own machine (127.0.0.1) or over https.";
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch (error) {
    throw `This browser gives no camera (${error.name}): allow it beside the address, plug one ` +
      "in, or close the program that has it. Then stop and start again.";
  }
}

async function send(told, address) {
  let stream;
  try {
    told.textContent = "Waiting for the camera. The browser may ask whether this page may use it.";
    stream = await film();
  } catch (sentence) {
    told.textContent = sentence;
    return;
  }
  try {
    await sendFrom(stream, told, address);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

async function sendFrom(stream, told, address) {
  const video = document.createElement("video"), canvas = document.createElement("canvas");
  const [track] = stream.getVideoTracks();
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  for (let last = -1; told.isConnected && cameras.get(told) === address; ) {
    const began = performance.now();
    if (track.readyState !== "live") {
      told.textContent = "The camera is gone: plug it in again, then stop and start again.";
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
      told.textContent = answer.ok ? "" : await answer.text();
      if (!answer.ok) await pause(1000);
    } catch {
      told.textContent = "The server does not answer; trying again.";
      await pause(1000);
    }
    await pause(LEAST - (performance.now() - began));
  }
}

export default function({ data, parentElement }) {
  const told = parentElement.querySelector(".told");
  if (cameras.get(told) === data.address) return;
  cameras.set(told, data.address);
  send(told, data.address);
}
"""


class BrowserCamera(Source):
    """The pictures that `take` is given; who iterates gets the newest. See `lanes.video.Source`."""

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
        """Take a picture that the browser sent; raises `BadInput` if it is none."""
        stored = np.frombuffer(content, np.uint8)
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR) if stored.size else None
        if image is None:
            raise BadInput("the browser sent no picture that can be read: start the camera again")
        with self._changed:
            self._newest, self._taken = np.asarray(image, np.uint8), self._taken + 1
            self.lost_since = None
            self._changed.notify_all()

    def opened(self) -> BrowserCamera:
        """This source once its first picture is there, whose size is its own, or it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closed)
            self.size = self._newest.shape[:2] if self._newest is not None else (1, 1)
        self.colour = default_colour(self.size[0])
        return self

    def close(self) -> None:
        """Give no more pictures."""
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
        """A picture that was not given yet; None when the source is closed."""
        with self._changed:
            waits = time.monotonic()
            while not self._changed.wait_for(
                lambda: self._taken > self._given or self._closed, LOST_SECONDS
            ):
                if self.lost_since is None:
                    self.lost_since, self.losses = waits, self.losses + 1
            self._given = self._taken
            return None if self._closed else self._newest


def show(feed: Feed) -> None:
    """Have the browser send what its camera sees to `feed`, as long as the page is open."""
    component = st.components.v2.component("lanes_camera", html=HTML, css=CSS, js=JS)
    component(data={"address": feed.address}, key="browser-camera")
