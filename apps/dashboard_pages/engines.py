"""Compiled models shared by all browser tabs, and the widgets to choose one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard_pages import words
from dashboard_pages.settings import Settings
from lanes import backends, plugins, segmenter
from lanes.card import ModelCard
from lanes.errors import LanesError
from lanes.pipeline import wrong_pictures
from lanes.segmenter import Segmenter
from lanes.types import PictureKind

AUTO = "auto"
KEPT = 6
"""Compiled models kept; the least recently used is evicted and freed by its last user."""


@dataclass(frozen=True)
class Engine:
    """A model with its backend, precision and performance hint (latency or throughput)."""

    folder: str
    backend: str = AUTO
    precision: str = AUTO
    hint: str = backends.THROUGHPUT


class Pool:
    """Compiled models by engine; segmenters of one engine take turns."""

    def __init__(self) -> None:
        self._lock, self._compiling = threading.Lock(), threading.Lock()
        self._loaded: OrderedDict[Engine, Segmenter] = OrderedDict()

    def get(self, engine: Engine) -> Segmenter:
        """A new segmenter over the shared compiled model; see `lanes.segmenter.load`."""
        found = self._kept(engine)
        if found is None:
            # Compile one at a time: it uses all cores, and a second caller can reuse the result.
            with self._compiling:
                found = self._kept(engine) or self._load(engine)
        return found.shared()

    def _kept(self, engine: Engine) -> Segmenter | None:
        with self._lock:
            if engine in self._loaded:
                self._loaded.move_to_end(engine)
            return self._loaded.get(engine)

    def _load(self, engine: Engine) -> Segmenter:
        loaded = segmenter.load(engine.folder, engine.backend, engine.precision, hint=engine.hint)
        with self._lock:
            self._loaded[engine] = loaded
            if len(self._loaded) > KEPT:
                # Not closed: tabs may still use it.
                self._loaded.popitem(last=False)
        return loaded


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The server's only pool."""
    return Pool()


def get(engine: Engine) -> Segmenter:
    """`Pool.get` of the server's pool, with a spinner while it compiles."""
    with st.spinner("Loading the model …"):
        return pool().get(engine)


def choose_model(settings: Settings, key: str, first: str = "") -> tuple[str, ModelCard]:
    """Show the model widget, initially at `first`; return the model's name and card."""
    cards = settings.cards()
    tasks = {name: card.task.replace("_", " ") for name, card in cards.items()}
    name = st.selectbox(
        "Model",
        list(cards),
        list(cards).index(first) if first in cards else 0,
        format_func=lambda name: f"{name} · {tasks[name]}",
        key=f"{key}-model",
        bind="query-params",
    )
    return name, cards[name]


PICTURES = {
    "lanes": "pictures from a car: the road, and the lines on it",
    "road_scene": "pictures of streets: eleven classes of things",
    "cell_count": "micrographs of blood smears: every cell, to count them",
    "blood_cells": "micrographs of white blood cells: cytoplasm and nucleus",
}
"""What the models of each task are for."""


def say_purpose(settings: Settings, card: ModelCard, key: str) -> None:
    """Say what a model is for; offer one for each other kind of pictures."""
    if card.task not in PICTURES:
        return
    st.caption(f"{words.plain(card.name)} is for {PICTURES[card.task]}.")
    others: dict[str, str] = {}
    for name, other in settings.cards().items():
        if other.task in PICTURES and other.task != card.task:
            others.setdefault(other.task, name)
    with st.popover("Another kind of picture?", icon=":material/swap_horiz:", disabled=not others):
        for task, name in others.items():
            label = f"{words.plain(name)}: {PICTURES[task]}"
            st.button(label, key=f"{key}-switch-{name}", on_click=_switch, args=(key, name))


def offer_other(settings: Settings, found: PictureKind | None, key: str) -> None:
    """A button that chooses the model for pictures of the kind `found`, if the server has it."""
    if found and (name := wrong_pictures.offered(found, settings.cards())):
        st.button(
            f"Use {words.plain(name)}",
            key=f"{key}-use-{name}",
            icon=":material/swap_horiz:",
            on_click=_switch,
            args=(key, name),
        )


def _switch(key: str, name: str) -> None:
    st.session_state[f"{key}-model"] = name


def choose_backend(folder: str, key: str, hint: str = backends.THROUGHPUT) -> Engine:
    """Show the backend and precision widgets for the model in `folder`."""
    left, right = st.columns(2)
    with left:
        backend = st.selectbox(
            "Backend", [AUTO, *_installed()], key=f"{key}-backend", bind="query-params"
        )
    with right:
        known = () if backend == AUTO else _precisions(backend, folder)
        precision = st.selectbox(
            "Precision", [AUTO, *known], key=f"{key}-precision", bind="query-params"
        )
    return Engine(folder, backend, precision, hint)


@st.cache_data(show_spinner=False)
def _installed() -> list[str]:
    """The backends whose libraries are installed and load."""
    found = []
    for name in plugins.names("backends"):
        try:
            backends.precisions(name)
        except LanesError:
            continue
        found.append(name)
    return found


@st.cache_data(show_spinner=False)
def _precisions(backend: str, folder: str) -> tuple[str, ...]:
    return backends.precisions(backend, folder=Path(folder))
