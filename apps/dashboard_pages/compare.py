"""The Compare page: two models, or one in two backends, on the same frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from dashboard_pages import engines, screen, sources, style, tabs, words
from dashboard_pages.engines import Engine
from dashboard_pages.feed import Feed, Picture
from dashboard_pages.player import DEMO, PATH, UPLOAD, Clip, error_text
from dashboard_pages.settings import Settings
from dashboard_pages.tabs import Tab
from lanes import backends, tasks
from lanes.draw.overlay import ALPHA, overlay_bgr
from lanes.live.side_by_side import Comparison, Side, SideBySide
from lanes.types import BACKGROUND

NAME = "compare"
SECONDS = 1.0
FILES = (DEMO, UPLOAD, PATH)
"""Sources without a camera: both models must see the same frames."""


class Pair:
    """Two running engines, with their titles and pictures."""

    def __init__(self, live: SideBySide, names: tuple[str, str], clip: Clip, folder: Path) -> None:
        self.live, self.names, self.clip, self.folder = live, names, clip, folder
        self.feeds = [Feed(partial(self._picture, side)) for side in range(len(names))]

    def pause(self) -> None:
        """Stop both: a comparison cannot pause."""
        self.live.close()

    def stop(self) -> None:
        """Stop both; keep their last pictures."""
        self.live.close()

    def finished(self) -> None:
        """A comparison records nothing."""

    def close(self) -> None:
        """Stop both, and their feeds."""
        for feed in self.feeds:
            feed.close()
        self.live.close()

    def _picture(self, side: int) -> Picture:
        """The newest frame with one side's labels."""
        now = self.live.snapshot()
        draw = partial(_drawn, now, side) if now.sides else None
        return Picture(str(now.frames), now.state, _place(now), draw)


def show(settings: Settings) -> None:
    """Show the choice of two models, or their run."""
    tab = tabs.current()
    pair = tab.running(NAME, Pair)
    style.title(
        "Compare", "Two models, or one in two backends, on the same frames: speed, IoU, agreement."
    )
    with st.expander("Models and source", expanded=not pair, icon=":material/tune:"):
        selection = _choose(settings)
    if selection:
        _start(tab, *selection)
    elif pair:
        _watch(tab, pair)


def _choose(settings: Settings) -> tuple[tuple[Engine, Engine], sources.Opens] | None:
    left, right = st.columns(2, gap="large")
    chosen = []
    for column, side, shown in ((left, "left", ""), (right, "right", _rival(settings))):
        with column:
            name, card = engines.choose_model(settings, f"{NAME}-{side}", shown)
            folder = str(settings.folder(name))
            engine = engines.choose_backend(folder, f"{NAME}-{side}", backends.LATENCY)
            chosen.append((engine, card))
    (one, first), (other, second) = chosen
    kind = sources.choose_kind(settings, NAME, FILES)
    opens = sources.choose(settings, kind, tasks.load(first.task), NAME)
    problem = ""
    if first.task != second.task:
        problem = f"{first.name} and {second.name} have different tasks: choose two of one task."
    elif one == other:
        problem = "Both sides are the same: change the model, backend or precision of one."
    if problem:
        st.info(words.plain(problem), icon=":material/info:")
    ready = opens is not None and not problem
    if not st.button("Compare", type="primary", icon=":material/compare:", disabled=not ready):
        return None
    return ((one, other), opens) if opens else None


def _rival(settings: Settings) -> str:
    """The initial right side: another model of the first one's task, if there is one."""
    (name, card), *others = settings.cards().items()
    return next((other for other, its in others if its.task == card.task), name)


def _start(tab: Tab, chosen: tuple[Engine, Engine], opens: sources.Opens) -> None:
    one, other = (engines.get(engine) for engine in chosen)
    folder, clip = tab.opened(opens)
    names = tuple(
        f"{each.card.name} · {each.backend.name} {each.backend.precision}" for each in (one, other)
    )
    pair = SideBySide(clip.input, (one, other), clip.labels, clip.loop)
    tab.play(NAME, Pair(pair, (names[0], names[1]), clip, folder))
    st.rerun()


def _watch(tab: Tab, pair: Pair) -> None:
    now = pair.live.snapshot()
    running = now.state in ("opening", "playing")
    every = SECONDS if running else None
    style.swatches(now.task)
    for number, column in enumerate(st.columns(2, gap="medium")):
        with column:
            st.markdown(f"**{words.plain(pair.names[number])}**")
            screen.show(pair.feeds[number], now.state, f"{NAME}-{number}")
            st.fragment(_side, run_every=every)(pair, number)
    st.fragment(_both, run_every=every)(pair, now.state)
    if running and st.button("Stop", icon=":material/stop:"):
        pair.live.close()
        st.rerun()
    if not running and st.button("Close", icon=":material/close:"):
        tab.stop(NAME)
        st.rerun()


def _side(pair: Pair, number: int) -> None:
    """Show one side's figures."""
    now = pair.live.snapshot()
    if now.sides:
        _figures(_of_side(now.sides[number]))


def _both(pair: Pair, drawn: str) -> None:
    """Show errors and agreement; rerun the page if the state is no longer `drawn`."""
    now = pair.live.snapshot()
    if now.state != drawn:
        st.rerun()
    if now.error:
        words.error(error_text(now.error, pair.clip))
    elif now.agreement:
        st.subheader("Agreement: IoU of the two over the last 30 frames", anchor=False)
        _figures({name: f"{value:.3f}" for name, value in now.agreement.items()})


def _drawn(now: Comparison, side: int) -> bytes:
    assert now.frame is not None, "there are labels"
    small = screen.smaller(now.frame.bgr, screen.WIDTH * 2 // 3)
    return screen.jpeg(overlay_bgr(small, now.sides[side].labels, now.task, ALPHA))


def _place(now: Comparison) -> str:
    states = {"opening": "opening", "playing": f"both models {now.fps:.1f} FPS"}
    return f"frame {now.frames} · {states.get(now.state, now.state)}"


def _of_side(side: Side) -> dict[str, str]:
    figures = {
        "Alone": f"{1 / side.seconds:.1f} FPS",
        "Per frame, p50": f"{side.seconds * 1e3:.1f} ms",
    }
    return figures | {
        f"IoU {name}": f"{value:.3f}"
        for name, value in side.iou_total.items()
        if name != BACKGROUND
    }


def _figures(figures: dict[str, str]) -> None:
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(words.plain(name), value, width=130)
