"""The Models page: each model's classes, accuracy, size and terms."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard_pages import charts, style, tabs
from dashboard_pages.settings import Settings
from lanes import backends, tasks
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import LanesError

KINDS = {"iou": "IoU", "dice": "Dice", "precision": "Precision", "recall": "Recall", "f4": "F4"}
OVERALL = {"miou": "mIoU", "pixel accuracy": "Pixel accuracy", "class accuracy": "Class accuracy"}
CHOOSING = " choose"
"""Suffix of splits used to choose checkpoints; their figures do not judge a model."""


def show(settings: Settings) -> None:
    """Show the table of models and the card of the selected one."""
    style.title(
        "Models", "The models on this server: what each one sees, how well, and at what cost."
    )
    found = settings.cards()
    if not found:
        st.info("No models: weights/ is empty. Export one with `lanes export`.")
        return
    st.dataframe(
        [_row(card, settings.folder(name)) for name, card in found.items()],
        hide_index=True,
        column_config={
            "parameters": st.column_config.NumberColumn(format="%.2f M"),
            "GFLOP": st.column_config.NumberColumn(format="%.2f"),
            "file": st.column_config.NumberColumn(format="%.1f MB"),
        },
    )
    name = st.selectbox("Model", list(found), key="models-name")
    _card(found[name], settings.folder(name))


def _row(card: ModelCard, folder: Path) -> dict[str, Any]:
    return {
        "model": card.name,
        "task": card.task.replace("_", " "),
        "architecture": card.architecture.replace("_", " "),
        "parameters": card.parameters / 1e6,
        "GFLOP": card.gflop,
        "input": str(card.resize),
        "file": _megabytes(folder),
    }


def _megabytes(folder: Path) -> float:
    path = folder / cards.ONNX
    return path.stat().st_size / 1e6 if path.is_file() else 0.0


def _card(card: ModelCard, folder: Path) -> None:
    row = _row(card, folder)
    style.swatches(tasks.load(card.task))
    figures = {
        "Parameters": f"{row['parameters']:.2f} M",
        "Cost per image": f"{row['GFLOP']:.2f} GFLOP",
        "Input": row["input"],
        "File": f"{row['file']:.1f} MB",
    }
    with st.container(horizontal=True):
        for label, value in figures.items():
            st.metric(label, value, width=180)
    accuracy, data, speed = st.tabs(["Accuracy", "Data and terms", "Speed on this machine"])
    with accuracy:
        _accuracy(card)
    with data:
        _data(card)
    with speed:
        _speed(card, folder)


def _accuracy(card: ModelCard) -> None:
    tables = measures(card.metrics)
    if not tables:
        st.info("This card has no figures yet. Score the model with `lanes evaluate`.")
    for scored_on, rows in tables.items():
        st.subheader(scored_on, anchor=False)
        overall = rows.pop("", {})
        if overall:
            figures = (f"{OVERALL[kind]} **{v:.3f}**" for kind, v in overall.items())
            st.markdown(" · ".join(figures))
        if rows:
            _bars(rows)
    if card.int8:
        st.subheader("What int8 costs", anchor=False)
        costs = [{"figure": name, **cost} for name, cost in card.int8.items()]
        st.dataframe(costs, hide_index=True)


def measures(metrics: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """A card's figures: data set and split -> measure ("" for all classes) -> kind -> value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, value in metrics.items():
        scored_on, _, figure = name.partition(": ")
        if scored_on.endswith(CHOOSING):
            continue
        measure, _, kind = ("", "", figure) if figure in OVERALL else figure.rpartition(" ")
        if kind in KINDS or kind in OVERALL:
            found.setdefault(scored_on, {}).setdefault(measure, {})[kind] = value
    return found


def _bars(rows: dict[str, dict[str, float]]) -> None:
    """IoU and F4 as bars, all figures in a folded table."""
    figures = [
        {"class": name, "figure": KINDS[kind], "value": kinds[kind]}
        for name, kinds in rows.items()
        for kind in ("iou", "f4")
        if kind in kinds
    ]
    charts.show(charts.bars(figures, "value", "class", "figure", "IoU and F4"))
    with st.expander("All figures"):
        table = [
            {"class": name, **{KINDS[k]: round(v, 3) for k, v in kinds.items() if k in KINDS}}
            for name, kinds in rows.items()
        ]
        st.dataframe(table, hide_index=True)


def _data(card: ModelCard) -> None:
    if not card.data:
        st.info("This card does not list the training data.")
    for use in card.data:
        st.markdown(f"**{use.name}** — {use.what}  \n:gray[Terms: {use.terms}]")
    st.subheader("Terms of the weights", anchor=False)
    st.markdown(card.terms)
    if command := card.training.get("command"):
        st.subheader("Trained with", anchor=False)
        st.code(str(command), language="sh", wrap_lines=True)


def _speed(card: ModelCard, folder: Path) -> None:
    st.caption(
        "Times the engines that `auto` chooses from with this model on the server, as for a "
        "camera: the next image is queued before the last is done. Pipelines on other pages pause. "
        "The first time takes a few seconds; the result is cached."
    )
    if not st.button("Time the engines", icon=":material/timer:", key=f"time-{card.name}"):
        return
    try:
        tabs.current().pause()  # a running pipeline would distort the timings
        with st.spinner("Timing each engine with this model …"):
            choices = backends.choices(folder)
    except LanesError as error:
        st.error(str(error), icon=":material/error:")
        return
    timed = [
        {"engine": f"{c.name} {c.precision}", "ms": c.milliseconds, "chosen": c.chosen}
        for c in choices
        if c.milliseconds is not None
    ]
    if timed:
        charts.show(charts.times(timed))
    _reasons(f"{choice.name}: {choice.reason}" for choice in choices if choice.reason)


def _reasons(reasons: Iterable[str]) -> None:
    for reason in reasons:
        st.caption(f"Not timed: {reason}")
