"""The page of the browser's own camera: each picture comes labelled back before the next one goes.

Pictures go through the connection that the page has anyway: no other port, no server that tells
browsers of each other, nothing to install. The newest picture is sent when the answer to the one
before is there, so that neither a slow line nor a slow model makes a queue.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import streamlit as st

from dashboard_pages import engines, screen, style
from dashboard_pages.engines import Engine
from dashboard_pages.live import figure
from dashboard_pages.settings import Settings
from lanes import backends, tasks
from lanes.errors import BadInput
from lanes.overlay import ALPHA, overlay_bgr
from lanes.segmenter import Segmenter
from lanes.stats import LatencyMeter
from lanes.types import Image

KEY = "camera"
SENT, FIGURES, READY = "camera-sent", "camera-figures", "camera-ready"
LARGEST = 4_000_000
"""Letters of a picture: what is sent has 640 pixels of width, and a tenth of that."""
HTML = """
<div class="camera">
  <button type="button">Start the camera</button>
  <p class="told" role="status"></p>
  <img alt="The camera's picture with its labels" hidden>
</div>
"""
CSS = """
.camera { font-family: var(--st-font); color: var(--st-text-color); }
img { width: 100%; display: block; border-radius: var(--st-base-radius); }
img[hidden] { display: none; }
button { font: inherit; padding: .5rem 1rem; border: 0; border-radius: var(--st-button-radius);
  background: var(--st-primary-color); color: #fff; cursor: pointer; }
.told { font-size: .875rem; min-height: 1.2rem; font-variant-numeric: tabular-nums; }
"""
JS = """
const WIDTH = 640, PATIENCE = 5000;
const cameras = new WeakMap();
export default function({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".camera");
  const [button, told, image] = ["button", ".told", "img"].map((name) => root.querySelector(name));
  const camera = cameras.get(root) ?? { number: 0, times: [] };
  cameras.set(root, camera);

  const stop = () => {
    camera.stream?.getTracks().forEach((track) => track.stop());
    clearTimeout(camera.timer);
    camera.stream = null;
    button.textContent = "Start the camera";
    told.textContent = "";
  };
  const send = () => {
    clearTimeout(camera.timer);
    if (!camera.stream) return;
    if (!root.isConnected) return stop();
    const { video, canvas } = camera;
    canvas.width = Math.min(WIDTH, video.videoWidth);
    canvas.height = Math.round(video.videoHeight * canvas.width / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    camera.number += 1;
    camera.sent = performance.now();
    camera.timer = setTimeout(send, PATIENCE);
    const picture = canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
    setTriggerValue("frame", { number: camera.number, picture });
  };
  button.onclick = async () => {
    if (camera.stream) return stop();
    try {
      camera.stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    } catch (error) {
      told.textContent = `This browser gives no camera (${error.name}): allow it beside the ` +
        "address, plug one in, or close the program that has it.";
      return;
    }
    button.textContent = "Stop the camera";
    camera.video = document.createElement("video");
    camera.canvas = document.createElement("canvas");
    camera.video.muted = true;
    camera.video.srcObject = camera.stream;
    await camera.video.play();
    send();
  };
  if (!camera.stream || data.number !== camera.number || data.number === camera.shown) return;
  camera.shown = data.number;
  const now = performance.now();
  camera.times.push(now);
  while (now - camera.times[0] > 3000) camera.times.shift();
  const rate = (camera.times.length - 1) * 1000 / (now - camera.times[0] || 1);
  told.textContent = `${rate.toFixed(1)} FPS · from the camera to the labelled picture ` +
    `${(now - camera.sent).toFixed(0)} ms`;
  image.src = "data:image/jpeg;base64," + data.picture;
  image.hidden = false;
  send();
}
"""


@dataclass
class Figures:
    """How it goes, since the model was chosen."""

    inference: LatencyMeter
    measures: dict[str, float]


def show(settings: Settings) -> None:
    """Choose a model, and let the browser send pictures."""
    style.title("Camera", "What a model sees in the camera of this browser; nothing is kept.")
    left, right = st.columns([7, 4], gap="large")
    with right:
        name, card = engines.choose_model(settings, KEY)
        with st.expander("Engine"):
            engine = engines.choose_backend(str(settings.folder(name)), KEY, backends.LATENCY)
    task = tasks.load(card.task)
    model = _model(engine)
    with left:
        style.swatches(task)
        st.fragment(_view)(model)


def _model(engine: Engine) -> Segmenter:
    """The model of this tab, the same until another engine is chosen."""
    kept = st.session_state.get(READY)
    if kept is None or kept[0] != engine:
        kept = st.session_state[READY] = (engine, engines.get(engine))
        st.session_state[FIGURES] = Figures(LatencyMeter(60), {})
    model: Segmenter = kept[1]
    return model


def _view(model: Segmenter) -> None:
    """Answer the picture that came, if one did."""
    figures: Figures = st.session_state[FIGURES]
    sent = st.session_state.pop(SENT, None)
    answer: dict[str, Any] = {"number": 0, "picture": ""}
    if sent:
        try:
            image = decoded(sent)
            picture = screen.jpeg(labelled(image, model, figures))
            answer = {"number": sent["number"], "picture": base64.b64encode(picture).decode()}
        except BadInput as error:
            st.error(str(error), icon=":material/error:")
    component = st.components.v2.component("lanes_camera", html=HTML, css=CSS, js=JS)
    component(data=answer, key=KEY, on_frame_change=_receive)
    told = {"Inference, p50": f"{figures.inference.percentile(50) * 1e3:.1f} ms"}
    told |= {name.capitalize(): figure(name, value) for name, value in figures.measures.items()}
    if figures.inference.count:
        with st.container(horizontal=True):
            for name, value in told.items():
                st.metric(name, value, width=150)


def _receive() -> None:
    """Keep what the browser sent for the run that follows."""
    st.session_state[SENT] = st.session_state[KEY].get("frame")


def decoded(sent: dict[str, Any]) -> Image:
    """The picture that a browser sent; raises `BadInput` for anything else."""
    text = sent.get("picture") if isinstance(sent, dict) else None
    if not isinstance(text, str) or not isinstance(sent.get("number"), int) or len(text) > LARGEST:
        raise BadInput("the browser sent no picture: reload the page")
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except binascii.Error as error:
        raise BadInput("the browser sent no picture: reload the page") from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise BadInput("the browser sent a picture that cannot be read: start the camera again")
    return np.asarray(image, np.uint8)


def labelled(image: Image, model: Segmenter, figures: Figures) -> Image:
    """The picture with its labels drawn; notes in `figures` what that took and what it shows."""
    began = time.perf_counter()
    labels = model(image)
    figures.inference.add(time.perf_counter() - began)
    figures.measures = model.task.measure(labels)
    return overlay_bgr(image, labels, model.task, ALPHA)
