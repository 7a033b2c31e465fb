"""The Live page: one pipeline with any source and model, its speed and its accuracy."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from dashboard_pages import (
    browser_camera,
    charts,
    demos,
    engines,
    screen,
    sources,
    style,
    tabs,
    words,
)
from dashboard_pages.engines import Engine
from dashboard_pages.history import Sample
from dashboard_pages.settings import Settings
from dashboard_pages.tabs import BROWSER, CAMERA, DEMO, PATH, UPLOAD, Player, Tab
from lanes import backends, tasks
from lanes.errors import LanesError
from lanes.live.player import ENDS, Snapshot, State
from lanes.types import Unit

NAME = "live"
REAL_TIME, FAST = "Real time", "As fast as possible"
FIGURES_SECONDS, CHARTS_SECONDS = 1.0, 2.0
STEADY = "Temporal consistency"


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
    selection = None if player else _welcome(settings)
    with st.expander("Source and model", expanded=not player, icon=":material/tune:"):
        selection = _choose(settings) or selection
    if selection:
        _start(tab, selection)
    elif player:
        _watch(tab, player)


@st.cache_resource(show_spinner=False)
def _warm(settings: Settings) -> threading.Thread:
    """Prepare the demo and its model in the background."""
    name, card = next(iter(settings.cards().items()))
    demos.rendering(card.task)
    pool, engine = engines.pool(), Engine(str(settings.folder(name)))

    def compile() -> None:
        # The page that uses the model reports its errors.
        with suppress(LanesError):
            pool.get(engine)

    thread = threading.Thread(target=compile, name="warm", daemon=True)
    thread.start()
    return thread


def _away(tab: Tab) -> None:
    """Say once what happened while the visitor was away."""
    if tab.message:
        st.toast(tab.message, icon=":material/info:", duration="infinite")
        tab.message = ""


def _welcome(settings: Settings) -> Selection | None:
    with st.container(border=True):
        st.subheader("See it run", anchor=False)
        st.write(
            "Ten seconds of a synthetic motorway, labelled live on this machine, with the frame "
            "rate and the IoU against exact ground truth."
        )
        if not st.button("Run the demo", type="primary", icon=":material/play_arrow:", key="demo"):
            return None
    name, card = next(iter(settings.cards().items()))
    engine = Engine(str(settings.folder(name)))
    return Selection(sources.demo(tasks.load(card.task)), engine, real_time=True, record=False)


def _choose(settings: Settings) -> Selection | None:
    left, right = st.columns(2, gap="large")
    with right:
        name, card = engines.choose_model(settings, NAME)
        kind = st.session_state.get(f"{NAME}-source", DEMO)
        camera = kind in (CAMERA, BROWSER)
        hint = backends.LATENCY if camera else backends.THROUGHPUT
        engine = engines.choose_backend(str(settings.folder(name)), NAME, hint)
    with left:
        opens = sources.choose(settings, tasks.load(card.task), NAME)
    file = kind in (UPLOAD, PATH)
    with left:
        # One key per kind of source, so that each keeps its own setting.
        record = st.toggle("Record from the first frame", value=file, key=f"{NAME}-record-{kind}")
        real_time = kind == DEMO
        if not camera:
            real_time = _speed(f"{NAME}-speed-{kind}", real_time)
    if not st.button("Start", icon=":material/play_arrow:", disabled=opens is None, key="start"):
        return None
    return Selection(opens, engine, real_time, record) if opens else None


def _speed(key: str, real_time: bool) -> bool:
    usual = REAL_TIME if real_time else FAST
    chosen = st.segmented_control("Speed", [REAL_TIME, FAST], default=usual, required=True, key=key)
    return chosen == REAL_TIME


def _start(tab: Tab, selection: Selection) -> None:
    """Replace the running pipeline; only errors at the start are reported here."""
    segmenter = engines.get(selection.engine)
    folder, clip = tab.opened(selection.opens)
    tab.play(NAME, Player(clip, segmenter, folder, selection.real_time, selection.record))
    st.rerun()


def _watch(tab: Tab, player: Player) -> None:
    now = player.live.snapshot()
    every = FIGURES_SECONDS if now.state not in ENDS else None
    left, right = st.columns([7, 4], gap="large")
    with left:
        screen.show(player.feed, now.state, "live-screen", now.recording is not None)
        if player.camera and now.state not in ENDS:
            browser_camera.show(player.feed)
        st.fragment(_troubles, run_every=every)(player, now.state)
        _controls(tab, player, now)
    with right:
        _look(player)
        st.fragment(_figures, run_every=every)(player)
    st.fragment(_charts, run_every=every and CHARTS_SECONDS)(player)
    _downloads(player)


def _troubles(player: Player, drawn: State) -> None:
    """Show notices and errors; rerun the page if the state is no longer `drawn`."""
    now = player.live.snapshot()
    if now.state != drawn:
        st.rerun()
    for notice in now.notices[-2:]:
        said = words.plain(notice.replace(f"{player.folder}/", ""))
        st.caption(f":material/info: {said}")
    if now.error:
        words.error(tabs.error_text(now.error, player.clip))


def _controls(tab: Tab, player: Player, now: Snapshot) -> None:
    live = player.live
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if now.state == "ended":
            if st.button("Play again", icon=":material/replay:"):
                live.resume()
                live.seek(0)
                _rerun_soon()
        elif now.state == "paused":
            if st.button("Resume", icon=":material/play_arrow:"):
                live.resume()
                _rerun_soon()
        elif now.state not in ENDS and st.button("Pause", icon=":material/pause:"):
            live.pause()
            _rerun_soon()
        if now.state not in ENDS:
            if st.button("Stop", icon=":material/stop:"):
                player.stop()
                st.rerun()
            _record(player, now)
        elif st.button("Close", icon=":material/close:"):
            tab.stop(NAME)
            st.rerun()
    if now.state in ("failed", "stopped") or now.live:
        return
    left, right = st.columns(2, vertical_alignment="center")
    with left:
        key = f"{NAME}-speed-now-{id(player)}"
        live.real_time = _speed(key, live.real_time)
    with right:
        if now.duration:
            _seek(player, now.duration)


def _rerun_soon() -> None:
    """Rerun the page after giving the pipeline time to react."""
    time.sleep(0.05)
    st.rerun()


def _record(player: Player, now: Snapshot) -> None:
    try:
        if now.recording is None:
            if st.button("Record", icon=":material/fiber_manual_record:"):
                player.record()
                st.rerun()
        elif st.button("End recording", icon=":material/stop_circle:", type="primary"):
            player.live.stop_recording()
            st.rerun()
    except LanesError as error:
        words.error(tabs.error_text(error, player.clip))


def _seek(player: Player, duration: float) -> None:
    key = f"{NAME}-seek-{id(player)}"

    def go() -> None:
        player.live.seek(st.session_state[key])

    st.slider("Go to", 0.0, duration, 0.0, 0.1, format="%.1f s", key=key, on_change=go)


def _look(player: Player) -> None:
    task = player.segmenter.task
    with st.popover("Overlay", icon=":material/layers:"):
        alpha = player.live.alpha
        player.live.alpha = st.slider("Strength", 0.0, 1.0, alpha, 0.05, key="live-alpha")
        names, drawn = [c.name for c in task.classes if c.alpha > 0], player.live.classes
        player.live.classes = st.pills(
            "Classes drawn",
            names,
            default=[n for n in names if drawn is None or n in drawn],
            selection_mode="multi",
            format_func=words.plain,
            key=f"live-classes-{task.name}",
        )
    style.swatches(player.task)


def _figures(player: Player) -> None:
    """Show the current figures, and add them to the history."""
    now = player.live.snapshot()
    if now.state == "playing":
        player.history.add(Sample.of(now, time.monotonic() - player.began))
    figures = {"Pipeline": f"{now.fps:.1f} FPS" if now.state == "playing" else "–"}
    if "infer" in now.latency:
        figures["Inference, p50"] = f"{now.latency['infer'].p50 * 1e3:.1f} ms"
    if "total" in now.latency:
        figures["Latency, p95"] = f"{now.latency['total'].p95 * 1e3:.0f} ms"
    figures |= {f"IoU {name}": f"{value:.3f}" for name, value in _drawn(now, now.iou).items()}
    steady = {} if now.iou else _drawn(now, now.consistency)
    figures |= {f"Consistency {name}": f"{value:.3f}" for name, value in steady.items()}
    units = player.segmenter.task.unit_of
    figures |= {name.capitalize(): figure(v, units(name)) for name, v in now.measures.items()}
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(words.plain(name), value, width=150)


def _drawn(now: Snapshot, by_class: dict[str, float]) -> dict[str, float]:
    names = {c.name for c in now.task.classes if c.alpha > 0}
    return {name: value for name, value in by_class.items() if name in names}


def figure(value: float, unit: Unit) -> str:
    """A task's measure, formatted with its unit."""
    if unit is Unit.SHARE:
        return f"{value:.1%}"
    return f"{value:.0f} px" if unit is Unit.PIXELS else f"{value:.0f}"


def _charts(player: Player) -> None:
    history, task = player.history, player.segmenter.task
    if len(history.samples) < 2:
        st.caption("Charts appear after two seconds.")
        return
    iou, steady = history.iou(), history.consistency()
    shown = [
        ("Frame rate of the pipeline", charts.rates(history.rates())),
        ("Latency by stage, p50 and p95", charts.latencies(history.latencies())),
    ]
    if iou:
        shown.append(("IoU by class, last 30 frames", charts.by_class(iou, task, "IoU")))
    elif steady:
        shown.append(
            (
                STEADY,
                charts.by_class(steady, task, "IoU with the previous frame, motion-compensated"),
            )
        )
    for unit, rows in history.measures_by_unit(task).items():
        shown.append((f"Measures, {unit}", charts.measures(rows, unit)))
    columns = st.columns(2, gap="large")
    for number, (name, chart) in enumerate(shown):
        with columns[number % 2]:
            st.markdown(f"**{name}**")
            charts.show(chart, f"chart-{number}")


def _downloads(player: Player) -> None:
    st.subheader("Downloads", anchor=False)
    files = player.finished()
    with st.container(horizontal=True):
        _download("Snapshot (PNG)", player.snapshot, "snapshot.png", "image/png")
        _download("Charts (CSV)", lambda: player.history.csv().encode(), "charts.csv", "text/csv")
        if files:
            video, lines = files
            _download("Video (H.264)", video.read_bytes, "lanes.mp4", "video/mp4")
            _download("Frames (JSON lines)", lines.read_bytes, "lanes.jsonl", "application/jsonl")
    if not files:
        st.caption(
            "When a recording ends, you can download the video with its overlay and a JSON line "
            "per frame."
        )
    if player.live.snapshot().state in ENDS:
        st.caption("Kept until you close this clip, start another, or close the tab.")


def _download(name: str, content: tabs.Content, file: str, kind: str) -> None:
    st.download_button(
        name, content, file, kind, icon=":material/download:", on_click="ignore", key=f"get-{file}"
    )
