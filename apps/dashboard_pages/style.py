"""The pages' style beyond the theme in `.streamlit/config.toml`."""

from __future__ import annotations

from html import escape

import cv2
import numpy as np
import streamlit as st
from PIL import Image

from lanes.draw import lane
from lanes.types import Task

BGR = tuple[int, int, int]
LINES = {
    "own lane": lane.AREA,
    "white line": lane.WHITE,
    "yellow line": lane.YELLOW,
    "crossed now": lane.CROSSED,
}
CSS = """
<style>
.block-container { padding-top: 4.5rem; padding-bottom: 3rem; max-width: 1240px; }
h1 { font-size: 1.75rem !important; padding-top: 0 !important; padding-bottom: .25rem !important; }
h2 { font-size: 1.25rem !important; padding-top: 1rem !important; }
h3 { font-size: 1rem !important; }
[data-testid="stMetricValue"] { font-size: 1.5rem; font-variant-numeric: tabular-nums; }
[data-testid="stMetricLabel"] { opacity: .75; }
.swatches { display: flex; flex-wrap: wrap; gap: .35rem .9rem; margin: .1rem 0 .6rem; }
.swatches span { display: inline-flex; align-items: center; gap: .4rem; font-size: .875rem; }
.swatches i { width: .8rem; height: .8rem; border-radius: 3px; display: inline-block;
  box-shadow: inset 0 0 0 1px rgba(128, 128, 128, .5); }
.swatches i.line { height: .3rem; }
.swatches i.ring { background: none; border-radius: 50%; box-shadow: inset 0 0 0 2px currentColor; }
figcaption, [data-testid="stMarkdownContainer"] { overflow-wrap: anywhere; }
/* White on the dark theme's green has a contrast of 2.5:1. */
[data-testid="stBaseButton-primary"] { color: light-dark(#ffffff, #0c1a16); }
/* Streamlit fades captions to 60 %, which left 4.25:1 in the light theme. */
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {
  color: light-dark(#000000, #e4eae8);
}
.st-key-phone-pages { display: none; }
@media (max-width: 768px) {
  .st-key-phone-pages { display: flex; flex-wrap: wrap; gap: 0 .5rem; }
}
@media (max-width: 640px) {
  .block-container { padding-left: 1rem; padding-right: 1rem; }
}
</style>
"""


def apply() -> None:
    """Add the CSS to the page."""
    st.html(CSS)


def icon() -> Image.Image:
    """The favicon; drawn here, because Streamlit downloads its own."""
    picture = np.full((64, 64, 3), (11, 125, 98), np.uint8)
    for left, right in (((14, 60), (27, 8)), ((50, 60), (37, 8))):
        cv2.line(picture, left, right, (255, 255, 255), 5, cv2.LINE_AA)
    for top in (12, 28, 46):
        cv2.line(picture, (32, top), (32, top + 8), (255, 214, 80), 4, cv2.LINE_AA)
    return Image.fromarray(picture)


def title(name: str, purpose: str) -> None:
    """Show the page's name and its purpose in a sentence."""
    st.title(name, anchor=False)
    st.caption(purpose)


def hex_of(colour: BGR) -> str:
    """A BGR colour in HTML notation."""
    blue, green, red = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def swatches(task: Task, known: int | None = None, lines: bool = False) -> None:
    """Show a legend of the task's classes and colours, and of the outlines of counted things.

    `known` is the number of classes that the model has, if it is older than the task. `lines` adds
    the own lane and the lane lines, if the task has them.
    """
    each = "".join(
        f'<span><i style="background:{hex_of(c.colour) if c.alpha else "transparent"}"></i>'
        f"{escape(c.name)}{'' if c.alpha else ' (not drawn)'}</span>"
        for c in task.classes[:known]
    )
    if task.things:
        each += (
            '<span><i class="ring"></i>outline: one thing that is counted, with its number</span>'
        )
    if task.lines and lines:
        each += "".join(
            f'<span><i class="line" style="background:{hex_of(colour)}"></i>{name}</span>'
            for name, colour in LINES.items()
        )
    st.html(f'<div class="swatches">{each}</div>')


def many(count: int, what: str) -> str:
    """The count with its noun: 1 image, 2 images."""
    return f"{count:,} {what}{'s' * (count != 1)}"
