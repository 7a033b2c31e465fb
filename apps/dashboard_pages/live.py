"""The Live page: one pipeline with any source and model, its speed and its accuracy."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from dashboard_pages import engines, examples, sources, style, tabs, watching, words
from dashboard_pages.engines import Engine
from dashboard_pages.player import BROWSER, CAMERA, DEMO, PATH, UPLOAD, Player
from dashboard_pages.settings import Settings
from dashboard_pages.tabs import Tab
from dashboard_pages.watching import NAME
from lanes import backends, tasks
from lanes.errors import LanesError


@dataclass(frozen=True)
class Selection:
    """What to play, and how."""

    opens: sources.Opens
    engine: Engine
    real_time: bool
    record: bool


def show(settings: Settings) -> None:
    """Show the choice of source and model, or the running pipeline."""
    tab = tabs.current()
    _warm(settings)
    player = tab.running(NAME, Player)
    _away(tab)
    style.title("Live", "Watch a model label a video, camera or stream, and see how well it does.")
    if player:
        watching.show(tab, player)
    selection = None if player else _welcome(settings)
    with st.expander("Source and model", expanded=not player, icon=":material/tune:"):
        selection = _choose(settings) or selection
    if selection:
        _start(tab, selection)


@st.cache_resource(show_spinner=False)
def _warm(settings: Settings) -> threading.Thread:
    """Compile the models of the examples in the background."""
    pool = engines.pool()
    names = dict.fromkeys(name for _, name in examples.offered(settings))

    def compile() -> None:
        for name in names:
            # The page that uses the model reports its errors.
            with suppress(LanesError):
                pool.get(Engine(str(settings.folder(name))))

    thread = threading.Thread(target=compile, name="warm", daemon=True)
    thread.start()
    return thread


def _away(tab: Tab) -> None:
    """Say once what happened while the visitor was away."""
    if tab.message:
        st.toast(tab.message, icon=":material/info:", duration="infinite")
        tab.message = ""


def _welcome(settings: Settings) -> Selection | None:
    """Show the examples, each with a picture; return the one that was clicked."""
    chosen = None
    for column, (example, model) in zip(st.columns(3), examples.offered(settings), strict=False):
        first = example is examples.EXAMPLES[0]
        with column:
            st.image(example.picture, width="stretch", alt=f"{example.what}, labelled")
            key = "demo" if first else f"example-{example.name}"
            kind: Literal["primary", "secondary"] = "primary" if first else "secondary"
            icon = ":material/play_arrow:"
            if st.button(example.title, icon=icon, key=key, type=kind, width="stretch"):
                engine = Engine(str(settings.folder(model)))
                chosen = Selection(example.clip, engine, real_time=True, record=False)
            st.caption(f"{example.what}: {words.plain(model)}")
    return chosen


def _choose(settings: Settings) -> Selection | None:
    left, right = st.columns(2, gap="large")
    with left:
        kind = sources.choose_kind(settings, NAME)
    camera, file = kind in (CAMERA, BROWSER), kind in (UPLOAD, PATH)
    with right:
        name, card = engines.choose_model(settings, NAME)
        engines.say_purpose(settings, card, NAME)
        hint = backends.LATENCY if camera else backends.THROUGHPUT
        engine = engines.choose_backend(str(settings.folder(name)), NAME, hint)
    with left:
        opens = sources.choose(settings, kind, tasks.load(card.task), NAME)
        # One key per kind of source, so that each keeps its own setting.
        record = st.toggle("Record from the first frame", value=file, key=f"{NAME}-record-{kind}")
        real_time = kind == DEMO
        if not camera:
            key = f"{NAME}-speed-{kind.partition(' ')[0].lower()}"
            real_time = watching.choose_speed(key, real_time, bind="query-params")
    ready = opens is not None
    icon = ":material/play_arrow:"
    if not st.button("Start", icon=icon, type="primary", disabled=not ready, key="start"):
        return None
    return Selection(opens, engine, real_time, record) if opens else None


def _start(tab: Tab, selection: Selection) -> None:
    """Replace the running pipeline; only errors at the start are reported here."""
    segmenter = engines.get(selection.engine)
    folder, clip = tab.opened(selection.opens)
    tab.play(NAME, Player(clip, segmenter, folder, selection.real_time, selection.record))
    st.rerun()
