"""The Evaluate page: score a model on uploaded images and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard_pages import charts, engines, masks, style, words
from dashboard_pages.engines import Engine
from dashboard_pages.labelled import Picture
from dashboard_pages.scored import Scored, score
from dashboard_pages.settings import Settings
from lanes import tasks
from lanes.card import ModelCard
from lanes.errors import BadInput
from lanes.types import IGNORE
from lanes.video.images import SUFFIXES

FOUND = "evaluate-found"
MASKS = (".png", ".bmp", ".tif", ".tiff")


def show(settings: Settings) -> None:
    """Upload images and masks, and show the scores."""
    style.title("Evaluate", "Score a model on your own images and masks.")
    left, right = st.columns([3, 2], gap="large")
    with right:
        name, card = engines.choose_model(settings, "evaluate")
        with st.expander("Engine"):
            engine = engines.choose_backend(str(settings.folder(name)), "evaluate")
        _ids(card)
    with left:
        images = _sent("Images, or a ZIP of them", "evaluate-images", SUFFIXES)
        sent_masks = _sent("Masks of the same names, or a ZIP of them", "evaluate-masks", MASKS)
        meanings = _meanings(sent_masks, card)
        pressed = st.button("Evaluate", type="primary", icon=":material/rule:", disabled=not images)
    if pressed:
        st.session_state.pop(FOUND, None)
        st.session_state[FOUND] = _score(images, sent_masks, engine, meanings)
    if found := st.session_state.get(FOUND):
        _show(found)


def _ids(card: ModelCard) -> None:
    st.caption("The values of a mask mean, unless you choose otherwise:")
    lines = [f"**{number}** {words.plain(name)}" for number, name in enumerate(card.classes)]
    st.caption(" · ".join([*lines, f"**{IGNORE}** unknown"]))


def _sent(label: str, key: str, suffixes: Sequence[str]) -> list[Picture]:
    kinds = [suffix.removeprefix(".") for suffix in (*suffixes, ".zip")]
    sent = st.file_uploader(label, type=kinds, accept_multiple_files=True, key=key)
    return masks.unpacked([Picture(file.name, file.getvalue()) for file in sent], suffixes)


def _meanings(sent: list[Picture], card: ModelCard) -> Mapping[str, str]:
    try:
        found = masks.values([mask.content for mask in sent])
    except BadInput:
        return {}  # reported with the mask's name when it is scored
    # Masks may hold classes that are newer than the model.
    return masks.choose_meanings(found, tasks.load(card.task).class_names, "evaluate")


def _score(
    images: list[Picture], sent_masks: list[Picture], engine: Engine, meanings: Mapping[str, str]
) -> Scored:
    bar = st.progress(0.0, "Evaluating …")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Evaluated {done} of {total}")

    found = score(images, sent_masks, engines.get(engine), progress, meanings)
    bar.empty()
    return found


def _show(scored: Scored) -> None:
    found = scored.found
    on = f"{found.model} on {style.many(found.images, 'image')}"
    st.subheader(words.plain(on), anchor=False)
    st.caption(f"{found.backend} {found.precision}; pixels pooled over all images.")
    with st.container(horizontal=True):
        for name, value in scored.overall().items():
            st.metric(name, formatted(value), width=200)
    rows = scored.rows()
    numbers: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.3f") for row in rows for name in row
    }
    numbers["measure"] = st.column_config.TextColumn()
    st.dataframe(rows, hide_index=True, column_config=numbers, placeholder="–")
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Confusion matrix**: truth in rows, prediction in columns")
        charts.show(charts.confusion(scored.shares()), "evaluate-confusion")
    with right:
        st.markdown("**Worst images:** image, ground truth, prediction")
        for worst in scored.worst:
            name = words.plain(f"{worst.name}: {formatted(worst.score)}")
            alt = "The image, its ground truth and the prediction"
            st.image(worst.picture, name, width="stretch", alt=alt)
    st.download_button(
        "All figures (JSON)",
        found.to_json(),
        "evaluation.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
    )


def formatted(value: float) -> str:
    """A figure to three digits; a dash for NaN, where there was nothing to score."""
    return f"{value:.3f}" if value == value else "-"
