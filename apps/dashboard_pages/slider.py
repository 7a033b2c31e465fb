"""Two pictures of the same size on top of each other, with a before/after slider."""

from __future__ import annotations

import base64

import streamlit as st

HTML = """
<div class="pair">
  <img class="after" alt="Overlay"><img class="before" alt="Original">
  <div class="line"></div><b class="left">Original</b><b class="right">Overlay</b>
  <input type="range" min="0" max="100" step="0.5" value="50"
    aria-label="How much of the original is shown">
</div>
"""
CSS = """
.pair { position: relative; overflow: hidden; line-height: 0; width: fit-content; max-width: 100%;
  margin: 0 auto; border-radius: var(--st-base-radius); --at: 50%; }
.pair img { max-width: 100%; max-height: 70vh; display: block; user-select: none; }
.pair .before { position: absolute; inset: 0; width: 100%; height: 100%;
  clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.pair .line { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 4px #000a; }
.pair .line::after { content: "\\2194"; position: absolute; top: 50%; left: 50%; width: 34px;
  height: 34px; margin: -17px; border-radius: 50%; background: #fff; color: #222;
  font: 18px/34px var(--st-font); text-align: center; box-shadow: 0 1px 5px #0008; }
.pair b { position: absolute; top: 10px; padding: .35rem .6rem; border-radius: 99px;
  background: #0009; color: #fff; font: 600 .75rem/1 var(--st-font); }
.pair .left { left: 10px; } .pair .right { right: 10px; }
.pair input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; touch-action: pan-y; }
.pair:focus-within { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
JS = """
export default function({ data, parentElement }) {
  const pair = parentElement.querySelector(".pair");
  const slider = pair.querySelector("input");
  const move = () => pair.style.setProperty("--at", slider.value + "%");
  for (const name of ["before", "after"]) {
    const picture = pair.querySelector("." + name);
    if (picture.src !== data[name]) picture.src = data[name];
  }
  slider.oninput = move;
  move();
}
"""


def before_after(before: bytes, after: bytes) -> None:
    """Show two JPEG files of the same size; the slider takes the mouse and arrow keys."""
    # Register it on every run: it is cheap, and the app may have been reloaded.
    component = st.components.v2.component("lanes_before_after", html=HTML, css=CSS, js=JS)
    component(data={"before": _url(before), "after": _url(after)}, key="before-after")


def _url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
