"""What the Live page shows of a running pipeline: the result first, then figures and charts."""

from __future__ import annotations

import time
from typing import Literal

import streamlit as st

from dashboard_pages import (
    browser_camera,
    charts,
    engines,
    events,
    screen,
    settings,
    style,
    words,
)  # fmt: skip
from dashboard_pages.history import Sample, measures
from dashboard_pages.player import Content, Player, error_text
from dashboard_pages.tabs import Tab
from lanes.errors import LanesError
from lanes.live.player import ENDS, Snapshot, State
from lanes.pipeline import wrong_pictures
from lanes.pipeline.lane_drawing import position_text
from lanes.types import BACKGROUND, PictureKind, Unit

NAME = "live"
REAL_TIME, FAST = "Real time", "As fast as possible"
FIGURES_SECONDS, CHARTS_SECONDS = 1.0, 2.0


def show(tab: Tab, player: Player) -> None:
    """Show a tab's pipeline and its controls."""
    now = player.live.snapshot()
    every = FIGURES_SECONDS if now.state not in ENDS else None
    left, right = st.columns([7, 4], gap="large")
    with left:
        _picture(player, now)
        _ready(player)
        st.fragment(_troubles, run_every=every)(player, now.state)
        _controls(tab, player, now)
    with right:
        _look(player)
        st.fragment(_figures, run_every=every)(player)
    _more(player, every)


def _picture(player: Player, now: Snapshot) -> None:
    recording = now.recording is not None
    seek = screen.show(player.feed, now.state, "live-screen", recording)
    if seek is not None:
        player.live.seek(seek)
    if player.camera and now.state not in ENDS:
        browser_camera.show(player.feed)


def _ready(player: Player) -> None:
    """Offer the newest recording."""
    if files := player.finished():
        name = f"{player.clip.stem}_lanes.mp4"
        label = words.plain(f"Ready: download {name}")
        _download(label, files[0].read_bytes, name, "video/mp4", "primary")


def _troubles(player: Player, drawn: State) -> None:
    """Show notices and errors; rerun the page if the state is no longer `drawn`."""
    now = player.live.snapshot()
    if now.state != drawn:
        st.rerun()
    for warning in now.warnings:
        words.warning(player.named(warning))
    if found := player.mismatch(now):
        other, sentence = found
        words.warning(sentence)
        _offer(player, other)
    for notice in now.notices[-2:]:
        st.caption(f":material/info: {words.plain(player.named(notice))}")
    if now.error:
        words.error(error_text(now.error, player.clip))


def _offer(player: Player, other: PictureKind) -> None:
    """A button that plays the clip with the model for its kind of pictures."""
    offered = settings.read()
    name = wrong_pictures.offered(other, offered.cards())
    icon = ":material/swap_horiz:"
    if not name or not st.button(f"Use {words.plain(name)}", icon=icon, key="live-use"):
        return
    try:
        player.switch(engines.get(engines.Engine(str(offered.folder(name)))))
    except LanesError as error:
        words.error(error_text(error, player.clip))
        return
    st.rerun()


def _controls(tab: Tab, player: Player, now: Snapshot) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _playing(player, now)
        if now.state not in ENDS:
            if st.button("Stop", icon=":material/stop:"):
                player.stop()
                st.rerun()
            _record(player, now)
        elif st.button("Close", icon=":material/close:"):
            tab.stop(NAME)
            st.rerun()
    if now.state not in ("failed", "stopped") and not now.live:
        key = f"{NAME}-speed-now-{id(player.live)}"
        player.live.real_time = choose_speed(key, player.live.real_time)


def _playing(player: Player, now: Snapshot) -> None:
    """The button that goes on or pauses, by the state."""
    live = player.live
    if now.state in ("stopped", "failed"):
        if st.button("Restart", icon=":material/replay:"):
            player.restart()
            _rerun_soon()
    elif now.state == "ended":
        if st.button("Play again", icon=":material/replay:"):
            live.resume()
            live.seek(0)
            _rerun_soon()
    elif now.state == "paused":
        if st.button("Resume", icon=":material/play_arrow:"):
            live.resume()
            _rerun_soon()
    elif st.button("Pause", icon=":material/pause:"):
        live.pause()
        _rerun_soon()


def choose_speed(key: str, real_time: bool, bind: Literal["query-params"] | None = None) -> bool:
    """Show the choice of the speed, initially at `real_time`; return whether it is real time."""
    usual, names = REAL_TIME if real_time else FAST, [REAL_TIME, FAST]
    chosen = st.segmented_control("Speed", names, default=usual, required=True, key=key, bind=bind)
    return chosen == REAL_TIME


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
        words.error(error_text(error, player.clip))


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
        if task.lines:
            player.live.lane = st.toggle("Lane lines", player.live.lane, key="live-lines")
    style.swatches(player.task, lines=player.live.lane)


def _figures(player: Player) -> None:
    """Show the current figures, and add them to the history."""
    now = player.live.snapshot()
    if now.state == "playing":
        player.history.add(Sample.of(now, time.monotonic() - player.began))
    figures = {"Pipeline": f"{now.fps:.1f} FPS"} if now.state == "playing" else {}
    if "infer" in now.latency:
        figures["Inference, p50"] = f"{now.latency['infer'].p50 * 1e3:.1f} ms"
    if "total" in now.latency:
        figures["Latency, p95"] = f"{now.latency['total'].p95 * 1e3:.0f} ms"
    figures |= {f"IoU {name}": f"{value:.3f}" for name, value in _classes(now.iou).items()}
    steady = {} if now.iou else _classes(now.consistency)
    figures |= {f"Consistency {name}": f"{value:.3f}" for name, value in steady.items()}
    units = player.segmenter.task.unit_of
    figures |= {name.capitalize(): figure(v, units(name)) for name, v in measures(now).items()}
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(words.plain(name), value, width=150)
    if now.result and now.result.follower:
        st.caption(f"In the lane: {position_text(now.result.lane.position)}")
    events.show(now)


def _classes(by_class: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in by_class.items() if name != BACKGROUND}


def figure(value: float, unit: Unit) -> str:
    """A task's measure, formatted with its unit."""
    if unit is Unit.SHARE:
        return f"{value:.1%}"
    return f"{value:.0f} px" if unit is Unit.PIXELS else f"{value:.0f}"


def _more(player: Player, every: float | None) -> None:
    """The charts, folded until someone opens them, and further downloads."""
    if player.history.samples:
        name, icon = "Charts", ":material/monitoring:"
        charts_shown = st.expander(name, icon=icon, key="live-charts", on_change="rerun")
        if charts_shown.open:
            with charts_shown:
                st.fragment(_charts, run_every=every and CHARTS_SECONDS)(player)
    with st.expander("More downloads", icon=":material/download:"):
        _downloads(player)


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
                "Temporal consistency",
                charts.by_class(steady, task, "IoU with the previous frame, motion-compensated"),
            )
        )
    for unit, rows in history.measures_by_unit(task).items():
        shown.append((f"Measures, {unit}", charts.measures(rows, task, unit)))
    columns = st.columns(2, gap="large")
    for number, (name, chart) in enumerate(shown):
        with columns[number % 2]:
            st.markdown(f"**{name}**")
            charts.show(chart, f"chart-{number}")


def _downloads(player: Player) -> None:
    stem, files = player.clip.stem, player.finished()
    with st.container(horizontal=True):
        if player.live.snapshot().result:
            _download("Snapshot (PNG)", player.snapshot, f"{stem}_lanes.png", "image/png")
        if player.history.samples:
            table = player.history
            _download(
                "Charts (CSV)", lambda: table.csv().encode(), f"{stem}_charts.csv", "text/csv"
            )
        if files:
            lines = f"{stem}_lanes.jsonl"
            _download("Frames (JSON lines)", files[1].read_bytes, lines, "application/jsonl")
    if not files:
        st.caption(
            "When a recording ends, you can download the video with its overlay and a JSON line "
            "per frame."
        )
    if player.live.snapshot().state in ENDS:
        st.caption("Kept until you close this clip, start another, or close the tab.")


def _download(
    name: str,
    content: Content,
    file: str,
    kind: str,
    type: Literal["primary", "secondary"] = "secondary",
) -> None:
    icon, key = ":material/download:", f"get-{kind}"
    st.download_button(name, content, file, kind, icon=icon, on_click="ignore", key=key, type=type)
