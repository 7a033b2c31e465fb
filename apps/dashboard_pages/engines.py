"""Models ready to run, compiled once for all browser tabs, and the widgets that choose one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st

from dashboard_pages.settings import Settings
from lanes import backends, plugins, segmenter
from lanes.card import ModelCard
from lanes.errors import LanesError
from lanes.segmenter import Segmenter

AUTO = "auto"
KEPT = 6
"""Models that stay compiled; the one used longest ago makes room, and ends with its last user."""


@dataclass(frozen=True)
class Engine:
    """Which model runs in which backend at which precision."""

    folder: str
    backend: str = AUTO
    precision: str = AUTO


class Shared:
    """A compiled model for all tabs: one of them has it at a time."""

    def __init__(self, loaded: Segmenter) -> None:
        """Share `loaded`, whose backend keeps the turns of one caller only."""
        self._loaded = loaded
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[Segmenter]:
        """The model, while nobody else has it."""
        with self._lock:
            yield self._loaded


@st.cache_resource(max_entries=KEPT, show_spinner="Compiling the model …")
def shared(engine: Engine) -> Shared:
    """The compiled model of `engine`, the same for all tabs."""
    hint = backends.THROUGHPUT
    return Shared(segmenter.load(engine.folder, engine.backend, engine.precision, hint=hint))


def choose_model(settings: Settings, key: str) -> tuple[str, ModelCard]:
    """The widget for a model: its name and its card."""
    cards = settings.cards()
    tasks = {name: card.task.replace("_", " ") for name, card in cards.items()}
    name = st.selectbox(
        "Model", list(cards), format_func=lambda name: f"{name} · {tasks[name]}", key=f"{key}-model"
    )
    return name, cards[name]


def choose_backend(folder: str, key: str) -> Engine:
    """The widgets for the backend and the precision of the model in `folder`."""
    left, right = st.columns(2)
    with left:
        backend = st.selectbox("Backend", [AUTO, *_installed()], key=f"{key}-backend")
    with right:
        known = () if backend == AUTO else _precisions(backend, folder)
        precision = st.selectbox("Precision", [AUTO, *known], key=f"{key}-precision")
    return Engine(folder, backend, precision)


@st.cache_data(show_spinner=False)
def _installed() -> list[str]:
    """The backends whose libraries are here and load."""
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
    from pathlib import Path

    return backends.precisions(backend, folder=Path(folder))
