"""The Images page: label several images, compare before and after, list cells."""

from __future__ import annotations

import csv
import io
from typing import Any

import streamlit as st

from dashboard_pages import engines, slider, style, words
from dashboard_pages.labelled import Labelled, Picture, label, unique
from dashboard_pages.settings import Settings
from lanes import tasks
from lanes.card import ModelCard
from lanes.pipeline.label_images import ImageOptions
from lanes.video.images import SUFFIXES
from lanes.video.output_files import no_formula

DRAWN = "images-drawn"
MOST = 100
"""Most images per upload."""


def show(settings: Settings) -> None:
    """Upload images and show them labelled."""
    style.title("Images", "Label photos or micrographs: compare before and after, count cells.")
    left, right = st.columns([3, 2], gap="large")
    with right:
        name, card = engines.choose_model(settings, "images")
        engines.say_purpose(settings, card, "images")
        options = _options(card)
        with st.expander("Engine"):
            engine = engines.choose_backend(str(settings.folder(name)), "images")
    with left:
        pictures = _pictures(card)
    if not pictures:
        return
    labelled = _label(unique(pictures), engine, options)
    for sentence in labelled.skipped:
        words.warning(sentence)
    engines.offer_other(settings, labelled.other, "images")
    style.swatches(tasks.load(card.task), len(card.classes))
    _show(labelled)


def _options(card: ModelCard) -> ImageOptions:
    if not tasks.load(card.task).things:
        return ImageOptions()
    scale = st.number_input(
        "Micrometres per pixel",
        min_value=0.0,
        value=None,
        step=0.01,
        format="%.3f",
        placeholder="unknown: measures are in pixels",
        key="images-scale",
    )
    return ImageOptions(um_per_pixel=scale or None)


def _pictures(card: ModelCard) -> list[Picture]:
    sent = st.file_uploader(
        f"Images (up to {MOST})",
        type=[suffix.removeprefix(".") for suffix in SUFFIXES],
        accept_multiple_files=True,
        key="images-sent",
    )
    if st.button("Try synthetic images", icon=":material/draw:", disabled=bool(sent)):
        st.session_state[DRAWN] = True
    if len(sent) > MOST:
        st.warning(f"Got {len(sent)} images; only the first {MOST} are labelled.")
    if sent:
        st.session_state.pop(DRAWN, None)
        return [Picture(file.name, file.getvalue()) for file in sent[:MOST]]
    return _drawn(card.task) if st.session_state.get(DRAWN) else []


@st.cache_data(show_spinner="Rendering images (only once) …")
def _drawn(task: str) -> list[Picture]:
    from lanes.pipeline.demo_clip import demo_pictures

    paths = sorted(demo_pictures(task).glob("*.png"))
    return [Picture(path.name, path.read_bytes()) for path in paths]


def _label(pictures: list[Picture], engine: engines.Engine, options: ImageOptions) -> Labelled:
    """Label the images, or reuse the last result for the same input."""
    request = (tuple(pictures), engine, options)
    if st.session_state.get("images-request") != request:
        st.session_state.pop("images-request", None)
        bar = st.progress(0.0, "Labelling …")

        def progress(done: int, total: int) -> None:
            bar.progress(done / total, f"Labelled {done} of {total}")

        found = label(pictures, engines.get(engine), options, progress)
        bar.empty()
        st.session_state["images-found"] = found
        st.session_state["images-request"] = request
    labelled: Labelled = st.session_state["images-found"]
    return labelled


def _show(labelled: Labelled) -> None:
    names = list(labelled.shown)
    if len(names) > 1:
        chosen = st.selectbox("Image", names, key="images-chosen")
        chosen = chosen if chosen in names else names[0]
    else:
        chosen = names[0]
    slider.before_after(labelled.shown[chosen].original, labelled.shown[chosen].overlay)
    summary, cells = rows(labelled.summary), rows(labelled.cells)
    _metrics(summary, cells, labelled.seconds)
    if labelled.cells:
        st.subheader(f"Cells of {words.plain(chosen)}", anchor=False)
        named = no_formula(chosen)
        st.dataframe([row for row in cells if row["image"] == named], hide_index=True)
    st.subheader("All images", anchor=False)
    st.dataframe(summary, hide_index=True)
    _downloads(labelled)


def _metrics(summary: list[dict[str, Any]], cells: list[dict[str, Any]], seconds: float) -> None:
    figures = {"Images": f"{len(summary)}", "Time per image": f"{seconds / len(summary):.2f} s"}
    if "cells" in summary[0]:
        figures["Cells"] = f"{len(cells)}"
        figures["At the edge"] = f"{sum(row['at_edge'] == 'yes' for row in cells)}"
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(name, value, width=150)


def _downloads(labelled: Labelled) -> None:
    files = {
        "Table of images": ("summary.csv", labelled.summary.encode(), "text/csv"),
        "Table of cells": ("cells.csv", labelled.cells.encode(), "text/csv"),
        "All files": ("lanes_images.zip", labelled.archive, "application/zip"),
    }
    with st.container(horizontal=True):
        for name, (file, content, kind) in files.items():
            if content:
                st.download_button(
                    name, content, file, kind, icon=":material/download:", on_click="ignore"
                )


def rows(table: str) -> list[dict[str, Any]]:
    """The rows of a CSV table, with numbers parsed."""
    return [
        {name: _number(value) for name, value in row.items()}
        for row in csv.DictReader(io.StringIO(table))
    ]


def _number(text: str) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
