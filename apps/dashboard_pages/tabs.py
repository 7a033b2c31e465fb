"""What a browser tab runs and keeps; all of it ends when the tab is closed."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import cv2
import streamlit as st

from dashboard_pages import screen
from dashboard_pages.browser_camera import BrowserCamera
from dashboard_pages.feed import Feed, Picture
from dashboard_pages.history import History
from lanes.draw.overlay import only
from lanes.errors import LanesError
from lanes.live.player import Live, LiveOptions, Snapshot
from lanes.pipeline.labelled import Labelled
from lanes.segmenter import Segmenter
from lanes.types import Image, Task

Content: TypeAlias = Callable[[], bytes]
"""What a download holds, made when it is asked for."""
DEMO, UPLOAD, PATH = "Demo", "Upload", "Path or address"
BROWSER, CAMERA = "Camera of this browser", "Camera of the server"
"""The kinds of sources."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """What a pipeline plays: `input` as `open_source` takes it, and its truth if there is one.

    `name` is what the page calls it: an upload lies under another name. `kind` is that of its
    source. `loop` begins again at the end.
    """

    input: str
    name: str
    kind: str
    labels: Path | None = None
    loop: bool = False


class Runs(Protocol):
    """What a tab keeps: a pipeline with its pictures, and a folder that is removed with it."""

    @property
    def folder(self) -> Path:
        """Of its own files."""

    def pause(self) -> None:
        """Leave the processor to others; does nothing where nothing runs."""

    def close(self) -> None:
        """End its threads and pictures."""


Kind = TypeVar("Kind")


class Player:
    """One pipeline of a tab, with its figures over time and what it recorded."""

    def __init__(
        self, clip: Clip, segmenter: Segmenter, folder: Path, real_time: bool, record: bool
    ) -> None:
        """Begin to play; recordings go into `folder`, with `record` from the first frame on."""
        self.clip, self.segmenter, self.folder = clip, segmenter, folder
        self.history, self.began = History(), time.monotonic()
        self.recorded: list[tuple[Path, Path]] = []
        first = self._next_files() if record else (None, None)
        options = LiveOptions(
            labels=clip.labels,
            real_time=real_time,
            loop=clip.loop,
            video=first[0],
            json=first[1],
        )
        self.camera = BrowserCamera() if clip.kind == BROWSER else None
        opens = self.camera.opened if self.camera else clip.input
        self.live = Live(opens, segmenter, options)
        self.feed = Feed(self.picture, self.camera.take if self.camera else None)

    def _next_files(self) -> tuple[Path, Path]:
        stem = f"recording-{len(self.recorded) + 1}"
        self.recorded.append((self.folder / f"{stem}.mp4", self.folder / f"{stem}.jsonl"))
        return self.recorded[-1]

    @property
    def task(self) -> Task:
        """The task, with the classes drawn that are to be."""
        return only(self.segmenter.task, self.live.classes)

    def picture(self) -> Picture:
        """The newest frame with its labels, for the browser."""
        now = self.live.snapshot(latency=False)
        result = now.result
        return Picture(
            mark=f"{now.frames} {self.live.alpha} {self.live.classes}",
            state=now.state,
            told=progress(self.clip, now),
            draw=partial(self._jpeg, result) if result else None,
        )

    def snapshot(self) -> bytes:
        """The newest frame with its labels, in all its pixels, as a PNG file; empty before one."""
        result = self.live.snapshot().result
        return cv2.imencode(".png", self._drawn(result))[1].tobytes() if result else b""

    def _jpeg(self, result: Labelled) -> bytes:
        return screen.jpeg(self._drawn(result, screen.WIDTH))

    def _drawn(self, result: Labelled, width: int | None = None) -> Image:
        return screen.overlay(result, self.task, self.live.alpha, width)

    def record(self) -> None:
        """Begin to record what is played; raises `BadOutput`."""
        files = self._next_files()
        try:
            self.live.record(*files)
        except LanesError:
            self.recorded.pop()
            raise

    def pause(self) -> None:
        """Stay at this frame until the user lets it go on."""
        self.live.pause()

    def stop(self) -> None:
        """End the pipeline; its recordings are whole, and they and its last picture stay."""
        if self.camera:
            self.camera.close()
        self.live.close()

    def close(self) -> None:
        """End the pipeline and its pictures."""
        self.feed.close()
        self.stop()

    def finished(self) -> tuple[Path, Path] | None:
        """The newest recording that is whole: video and JSON lines."""
        whole = [files for files in self.recorded if files[0].exists()]
        return whole[-1] if whole else None


def progress(clip: Clip, now: Snapshot) -> str:
    """In a line: what is played, how far it is, and how fast the pipeline is."""
    states = {"opening": "opening", "paused": "paused", "lost": "lost, trying again"}
    states |= {"ended": "at its end", "stopped": "stopped", "failed": "failed"}
    parts = [f"pipeline {now.fps:.1f} FPS"] if now.state == "playing" else [states[now.state]]
    if now.result and not now.live:
        total = f" of {now.duration:.1f}" if now.duration else ""
        parts.append(f"{now.position:.1f}{total} s")
    if now.dropped:
        parts.append(f"{now.dropped} frames left out")
    return " · ".join([clip.name, *parts])


def told(error: BaseException, clip: Clip) -> str:
    """An error of a pipeline as a sentence, its files under the names that the user knows."""
    if not isinstance(error, LanesError):
        log.error("a pipeline failed", exc_info=error)
        return (
            f"The pipeline failed in a way that is not foreseen ({type(error).__name__}: "
            f"{error}). The terminal of the server tells more; please report it."
        )
    sentence = str(error)
    if clip.kind in (UPLOAD, PATH):
        sentence = sentence.replace(clip.input, clip.name)
    return sentence.replace(str(clip.labels), "The truth") if clip.labels else sentence


class Tab:
    """What runs in one browser tab, by the page's name for it, and its temporary folder."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="lanes-tab-")
        self.folder = Path(self._temporary.name)
        self.players: dict[str, Runs] = {}
        self._number = 0

    def opened(self, opens: Callable[[Path], Clip]) -> tuple[Path, Clip]:
        """A folder of its own for a player, with its clip; nothing is left of it on an error."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        try:
            return folder, opens(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def running(self, name: str, kind: type[Kind]) -> Kind | None:
        """What runs under that name, of the `kind` that its page puts there."""
        player = self.players.get(name)
        return player if isinstance(player, kind) else None

    def play(self, name: str, player: Runs) -> None:
        """Take the player in the place of an earlier one of that name, which ends."""
        self.stop(name)
        self.pause()
        self.players[name] = player

    def pause(self) -> None:
        """Leave the processor to what comes now."""
        for player in self.players.values():
            player.pause()

    def stop(self, name: str) -> None:
        """End a player, and remove its files."""
        if player := self.players.pop(name, None):
            player.close()
            shutil.rmtree(player.folder, ignore_errors=True)

    def close(self) -> None:
        """End everything, and remove all files."""
        for name in list(self.players):
            self.stop(name)
        self._temporary.cleanup()


def _end(tab: Tab) -> None:
    """Close `tab` beside the server's own thread, for which a camera may be slow to let go."""
    threading.Thread(target=tab.close, name="tab-end").start()


@st.cache_resource(scope="session", on_release=_end, show_spinner=False)
def current() -> Tab:
    """The tab that this page is shown in; Streamlit releases it when the connection ends."""
    return Tab()
