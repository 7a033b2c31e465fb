"""Shows a running pipeline's picture, fetched from its feed as fast as the browser draws."""

from __future__ import annotations

import cv2
import numpy as np
import streamlit as st

from dashboard_pages.feed import Feed
from lanes.types import Image

WIDTH = 960
"""Maximum width on the page; recordings and snapshots are full size."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
HTML = """
<figure>
  <div class="empty">No picture yet</div><img alt="The newest frame with its labels" hidden>
  <div class="timeline" hidden>
    <input type="range" min="0" value="0" step="0.1" aria-label="Position in seconds">
    <div class="marks"></div>
  </div>
  <figcaption><span class="caption"></span><span class="drawn"></span></figcaption>
</figure>
"""
CSS = """
figure { margin: 0; font-family: var(--st-font); }
img { width: 100%; display: block; border-radius: var(--st-base-radius); }
img[hidden] { display: none; }
.empty { aspect-ratio: 16 / 9; display: grid; place-items: center; color: var(--st-text-color);
  background: var(--st-secondary-background-color); border-radius: var(--st-base-radius); }
.timeline { margin-top: .4rem; }
.timeline[hidden] { display: none; }
.timeline input { width: 100%; margin: 0; accent-color: var(--st-primary-color); }
.marks { position: relative; height: 6px; }
.marks i { position: absolute; top: 0; height: 6px; min-width: 3px; border-radius: 3px;
  background: #c8372d; }
.marks i.event { background: #e0a526; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem;
  margin-top: .5rem; font-size: .875rem; color: var(--st-text-color); opacity: .85;
  font-variant-numeric: tabular-nums; }
"""
JS = """
const LEAST = 40;  // milliseconds between two pictures
const screens = new WeakMap();
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
// Browsers do not call this while the page is hidden, so nothing is fetched.
const frame = () => new Promise((done) => requestAnimationFrame(done));

function drawMarks(figure, marks, seconds) {
  figure.querySelector(".marks").replaceChildren(...marks.map(([from, to, text]) => {
    const mark = document.createElement("i");
    mark.style.left = `${100 * from / seconds}%`;
    mark.style.width = `${100 * Math.min(to - from, seconds - from) / seconds}%`;
    mark.title = text;
    mark.className = text.startsWith("could") ? "loss" : "event";
    return mark;
  }));
}

// The timeline follows playback, except while the user drags it.
function showPosition(figure, screen, at, marks) {
  const timeline = figure.querySelector(".timeline"), input = timeline.querySelector("input");
  timeline.hidden = !at;
  if (!at || screen.dragged) return;
  const [position, seconds] = at.split(" ").map(Number);
  input.max = seconds;
  input.value = position;
  input.oninput = () => { screen.dragged = true; };
  input.onchange = () => {
    screen.dragged = false;
    screen.trigger("seek", Number(input.value));
  };
  drawMarks(figure, marks, seconds);
}

async function follow(figure, screen) {
  const { address } = screen;
  const [image, caption, drawn] = ["img", ".caption", ".drawn"].map((name) =>
    figure.querySelector(name));
  const times = [];
  let mark = "", shown = "";
  while (figure.isConnected && screen.address === address) {
    await frame();
    const began = performance.now();
    let answer, picture;
    try {
      answer = await fetch(`${address}?seen=${mark}`);
      picture = await answer.blob();
    } catch {
      await pause(1000);
      continue;
    }
    if (answer.status === 410) break;
    if (!answer.ok) {
      caption.textContent = `no picture (${answer.status} ${answer.statusText})`;
      await pause(1000);
      continue;
    }
    mark = answer.headers.get("Lanes-Mark");
    caption.textContent = decodeURIComponent(answer.headers.get("Lanes-Caption"));
    const marks = decodeURIComponent(answer.headers.get("Lanes-Marks"));
    showPosition(figure, screen, answer.headers.get("Lanes-At"), JSON.parse(marks));
    if (picture.size) {
      const before = shown;
      shown = URL.createObjectURL(picture);
      image.src = shown;
      await image.decode().catch(() => {});
      image.hidden = false;
      figure.querySelector(".empty").style.display = "none";
      URL.revokeObjectURL(before);
      times.push(performance.now());
    }
    // The rate covers the last three seconds.
    while (performance.now() - times[0] > 3000) times.shift();
    const rate = (times.length - 1) * 1000 / (performance.now() - times[0]);
    drawn.textContent = times.length > 1 ? `displayed ${rate.toFixed(1)} FPS` : "";
    const state = answer.headers.get("Lanes-State");
    if (state !== screen.state) {
      screen.state = state;
      screen.trigger("state", state);
    }
    await pause(LEAST - (performance.now() - began));
  }
  URL.revokeObjectURL(shown);
}

export default function({ data, parentElement, setTriggerValue }) {
  window.onbeforeunload = data.recording ? (event) => event.preventDefault() : null;
  const figure = parentElement.querySelector("figure");
  const screen = screens.get(figure) ?? {};
  const follows = screen.address === data.address;
  screens.set(figure, Object.assign(screen, data, { trigger: setTriggerValue }));
  if (!follows) follow(figure, screen);
  return () => { window.onbeforeunload = null; };
}
"""


def smaller(image: Image, width: int) -> Image:
    """The image, shrunk if wider than `width`."""
    if image.shape[1] <= width:
        return image
    size = (width, max(round(image.shape[0] * width / image.shape[1]), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: Image) -> bytes:
    """The image as a JPEG file."""
    return cv2.imencode(".jpg", image, QUALITY)[1].tobytes()


def show(feed: Feed, state: str, key: str, recording: bool = False) -> float | None:
    """Show the pictures of `feed`; rerun the page when its state is no longer `state`.

    While `recording`, the browser warns before it leaves or reloads the page. Returns the
    seconds that the user chose on the timeline, if any.
    """
    component = st.components.v2.component("lanes_screen", html=HTML, css=CSS, js=JS)
    data = {
        "address": feed.address,
        "state": state,
        "recording": recording,
    }
    heard = component(data=data, key=key, on_state_change=_hear, on_seek_change=_hear)
    return None if heard.seek is None else float(heard.seek)


def _hear() -> None:
    """Streamlit reports only what has a listener."""
