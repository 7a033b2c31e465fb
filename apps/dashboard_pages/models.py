"""The Models page: each model's classes, accuracy, size and terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard_pages import charts, style, tabs, words
from dashboard_pages.settings import Settings
from lanes import backends, tasks
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import LanesError
from lanes.metrics.figures import Figure, Kind, by_measure, headlines, of_card, overall
from lanes.video.output_files import no_formula

TEACHER = "teacher"
"""The measure that compares with another model: see `lanes.metrics.evaluate`."""


def show(settings: Settings) -> None:
    """Show the table of models and the card of the selected one."""
    style.title(
        "Models", "The models on this server: what each one sees, how well, and at what cost."
    )
    found = settings.cards()
    for problem in settings.problems():
        words.error(problem)
    if not found:
        st.info("No models: weights/ is empty. Export one with `lanes export`.")
        return
    table = st.empty()  # filled below, with the timings of this run
    name = st.selectbox("Model", list(found), key="models-name", bind="query-params")
    _card(found[name], settings.folder(name))
    heads = _headlines(list(found.values()))
    table.dataframe(
        [
            _row(card, settings.folder(name), head)
            for (name, card), head in zip(found.items(), heads, strict=True)
        ],
        hide_index=True,
        placeholder="–",
        column_config={
            "per image": st.column_config.NumberColumn(
                format="%.1f ms", help="On this machine, once its engines are timed below."
            ),
            "parameters": st.column_config.NumberColumn(format="%.2f M"),
            "GFLOP": st.column_config.NumberColumn(format="%.2f"),
            "file": st.column_config.NumberColumn(format="%.1f MB"),
        },
    )


@st.cache_resource(show_spinner=False)
def _timings() -> dict[str, float]:
    """The milliseconds per image of the models timed on this server, by folder."""
    return {}


def _row(card: ModelCard, folder: Path, accuracy: str = "") -> dict[str, Any]:
    return {
        "model": no_formula(card.name),
        "task": card.task.replace("_", " "),
        "accuracy": accuracy,
        "per image": _timings().get(str(folder)),
        "architecture": card.architecture.replace("_", " "),
        "parameters": card.parameters / 1e6,
        "GFLOP": card.gflop,
        "input": str(card.resize),
        "file": _megabytes(folder),
    }


def _headlines(found: Sequence[ModelCard]) -> list[str]:
    """The main figure of each card, and the data set that it was measured on; "" without one.

    It is the one that most cards of its task have, so that models can be compared. Models that
    count cells are judged by how many they find.
    """
    judged = [[f for f in headlines(of_card(c.metrics)) if f.measure != TEACHER] for c in found]
    common = Counter(
        (card.task, figure.card_key)
        for card, figures in zip(found, judged, strict=True)
        for figure in figures
    )

    def order(task: str, figure: Figure) -> tuple[bool, int, str]:
        return figure.kind is not Kind.AP50, -common[task, figure.card_key], figure.card_key

    best = [
        min(figures, key=partial(order, card.task), default=None)
        for card, figures in zip(found, judged, strict=True)
    ]
    return [f"{f.title} {f.value:.2f} ({f.dataset})" if f else "" for f in best]


def _megabytes(folder: Path) -> float:
    path = folder / cards.ONNX
    return path.stat().st_size / 1e6 if path.is_file() else 0.0


def _card(card: ModelCard, folder: Path) -> None:
    row = _row(card, folder)
    style.swatches(tasks.load(card.task), len(card.classes))
    figures = {
        "Parameters": f"{row['parameters']:.2f} M",
        "Cost per image": f"{row['GFLOP']:.2f} GFLOP",
        "Input": row["input"],
        "File": f"{row['file']:.1f} MB",
    }
    with st.container(horizontal=True):
        for label, value in figures.items():
            st.metric(label, value, width=150)
    accuracy, data, speed = st.tabs(["Accuracy", "Data and terms", "Speed on this machine"])
    with accuracy:
        _accuracy(card)
    with data:
        _data(card)
    with speed:
        _speed(card, folder)


def _accuracy(card: ModelCard) -> None:
    judging = of_card(card.metrics)
    if not judging:
        st.info("This card has no figures yet. Score the model with `lanes evaluate`.")
    for dataset in dict.fromkeys(figure.dataset for figure in judging):
        figures = [figure for figure in judging if figure.dataset == dataset]
        st.subheader(words.plain(dataset), anchor=False)
        if notes := [f"{f.kind.display} **{f.value:.3f}**" for f in overall(figures)]:
            st.markdown(" · ".join(notes))
        measures = by_measure(figures)
        agreement = measures.pop(TEACHER, {})
        if measures:
            _bars(measures)
        if agreement:
            values = " · ".join(f"{kind.display} {f.value:.3f}" for kind, f in agreement.items())
            st.caption(f"Agreement with the model that taught it, which is no accuracy: {values}")
    if card.int8:
        st.subheader("Cost of int8", anchor=False)
        costs = [{"figure": name, **cost} for name, cost in card.int8.items()]
        st.dataframe(costs, hide_index=True)


def _bars(measures: Mapping[str, Mapping[Kind, Figure]]) -> None:
    """IoU and F4 as bars, all figures in a folded table."""
    bars = [
        {"class": name, "figure": kind.display, "value": figures[kind].value}
        for name, figures in measures.items()
        for kind in (Kind.IOU, Kind.F4)
        if kind in figures
    ]
    kinds = dict.fromkeys(str(bar["figure"]) for bar in bars)
    charts.show(charts.bars(bars, "value", "class", "figure", " and ".join(kinds)))
    with st.expander("All figures"):
        table = [
            {"class": name, **{k.display: round(f.value, 3) for k, f in figures.items()}}
            for name, figures in measures.items()
        ]
        st.dataframe(table, hide_index=True)


def _data(card: ModelCard) -> None:
    if not card.data:
        st.info("This card does not list the training data.")
    for use in card.data:
        name, what, terms = map(words.plain, (use.name, use.what, use.terms))
        st.markdown(f"**{name}** — {what}  \n:gray[Terms: {terms}]")
    st.subheader("Terms of the weights", anchor=False)
    st.markdown(words.plain(card.terms))
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
        words.error(str(error))
        return
    timed = [
        {"engine": f"{c.name} {c.precision}", "ms": c.milliseconds, "chosen": c.chosen}
        for c in choices
        if c.milliseconds is not None
    ]
    if timed:
        _timings()[str(folder)] = min(c.milliseconds for c in choices if c.milliseconds is not None)
        charts.show(charts.times(timed))
    _reasons(f"{choice.name}: {choice.reason}" for choice in choices if choice.reason)


def _reasons(reasons: Iterable[str]) -> None:
    for reason in reasons:
        st.caption(f"Not timed: {words.plain(reason)}")
