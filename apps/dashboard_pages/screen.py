"""The picture of a running pipeline: JPEG files sent one after the other, counted as they show."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import streamlit as st

from lanes.overlay import overlay_bgr
from lanes.types import Image, Result, Task

WIDTH = 960
"""Pixels of a shown picture's width at most: recordings and snapshots have all of them."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
HTML = """
<figure>
  <div class="empty">No picture yet</div><img alt="The newest frame with its labels" hidden>
  <figcaption><span class="told"></span><span class="drawn"></span></figcaption>
</figure>
"""
CSS = """
figure { margin: 0; font-family: var(--st-font); }
img { width: 100%; display: block; border-radius: var(--st-base-radius); }
img[hidden] { display: none; }
.empty { aspect-ratio: 16 / 9; display: grid; place-items: center; color: var(--st-text-color);
  background: var(--st-secondary-background-color); border-radius: var(--st-base-radius); }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem;
  margin-top: .5rem; font-size: .875rem; color: var(--st-text-color); opacity: .85;
  font-variant-numeric: tabular-nums; }
"""
JS = """
const seen = new WeakMap();
export default function({ data, parentElement }) {
  const image = parentElement.querySelector("img");
  const times = seen.get(image) ?? [];
  seen.set(image, times);
  parentElement.querySelector(".told").textContent = data.told;
  if (!data.picture || image.dataset.number === String(data.number)) return;
  image.dataset.number = data.number;
  image.onload = () => {
    const now = performance.now();
    // What is older than three seconds says nothing of now.
    times.push(now);
    while (now - times[0] > 3000) times.shift();
    const rate = times.length > 1 ? (times.length - 1) * 1000 / (now - times[0]) : 0;
    parentElement.querySelector(".drawn").textContent =
      rate ? `drawn here ${rate.toFixed(1)} FPS` : "";
    image.hidden = false;
    parentElement.querySelector(".empty").style.display = "none";
  };
  image.src = "data:image/jpeg;base64," + data.picture;
}
"""


def drawn_task(task: Task, names: list[str]) -> Task:
    """The task with only the classes of `names` drawn."""
    classes = tuple(c if c.name in names else replace(c, alpha=0.0) for c in task.classes)
    return replace(task, classes=classes)


def overlay(result: Result, task: Task, alpha: float, width: int | None = None) -> Image:
    """The frame with its labels, made smaller first if it is wider than `width`."""
    image = smaller(result.frame.bgr, width) if width else result.frame.bgr
    return overlay_bgr(image, result.labels, task, alpha)


def smaller(image: Image, width: int) -> Image:
    """The image, made smaller if it is wider than `width`."""
    if image.shape[1] <= width:
        return image
    size = (width, max(round(image.shape[0] * width / image.shape[1]), 1))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: Image) -> bytes:
    """The image as a JPEG file, as quickly as may be."""
    return cv2.imencode(".jpg", image, QUALITY)[1].tobytes()


def show(picture: bytes | None, number: int, told: str, key: str) -> None:
    """Show a JPEG file, the `number`-th frame, above what is `told` of it."""
    import base64

    encoded = base64.b64encode(picture).decode() if picture else ""
    component = st.components.v2.component("lanes_screen", html=HTML, css=CSS, js=JS)
    component(data={"picture": encoded, "number": number, "told": told}, key=key)
