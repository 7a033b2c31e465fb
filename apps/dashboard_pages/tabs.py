"""What a browser tab runs and stores, until it is closed for good."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import cv2
import streamlit as st

from dashboard_pages import returning, screen
from dashboard_pages.browser_camera import BrowserCamera
from dashboard_pages.feed import Feed, Picture
from dashboard_pages.history import History
from lanes.draw.overlay import only
from lanes.errors import LanesError
from lanes.live.player import Live, LiveOptions, Snapshot
from lanes.pipeline.labelled import Labelled
from lanes.segmenter import Segmenter
from lanes.system import memory
from lanes.types import Image, Task

Content: TypeAlias = Callable[[], bytes]
"""A download's content, made on demand."""
DEMO, UPLOAD, PATH = "Demo", "Upload", "Path or URL"
BROWSER, CAMERA = "Camera of this browser", "Camera of the server"
"""Kinds of sources."""
AWAY_SECONDS = 5.0
"""A connection lost for less is not worth a message."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """What a pipeline plays: `input` as for `open_source`, and its ground truth, if any.

    `name` is shown on the page; uploads have another name on disk. `kind` is the kind of source.
    `loop` restarts at the end.
    """

    input: str
    name: str
    kind: str
    labels: Path | None = None
    loop: bool = False


class Runs(Protocol):
    """A running pipeline of a tab, with a folder that is removed when it closes."""

    @property
    def folder(self) -> Path:
        """The folder for its files."""

    def pause(self) -> None:
        """Free the CPU; does nothing if it is not running."""

    def stop(self) -> None:
        """Stop its threads; keep what it made."""

    def finished(self) -> tuple[Path, Path] | None:
        """The newest complete recording, if there is one."""

    def close(self) -> None:
        """Stop its threads and its feeds."""


Kind = TypeVar("Kind")


class Player:
    """A tab's pipeline, with its history of figures and its recordings."""

    def __init__(
        self, clip: Clip, segmenter: Segmenter, folder: Path, real_time: bool, record: bool
    ) -> None:
        """Start playing; recordings go to `folder`; `record` starts one at the first frame."""
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
        """The task, limited to the classes to draw."""
        return only(self.segmenter.task, self.live.classes)

    def picture(self) -> Picture:
        """The newest frame with its labels, for the browser."""
        now = self.live.snapshot(latency=False)
        result = now.result
        return Picture(
            mark=f"{now.frames} {self.live.alpha} {self.live.classes}",
            state=now.state,
            caption=progress(self.clip, now),
            draw=partial(self._jpeg, result) if result else None,
        )

    def snapshot(self) -> bytes:
        """The newest frame with its labels as a full-size PNG file; empty before there is one."""
        result = self.live.snapshot().result
        return cv2.imencode(".png", self._drawn(result))[1].tobytes() if result else b""

    def _jpeg(self, result: Labelled) -> bytes:
        return screen.jpeg(self._drawn(result, screen.WIDTH))

    def _drawn(self, result: Labelled, width: int | None = None) -> Image:
        return screen.overlay(result, self.task, self.live.alpha, width)

    def record(self) -> None:
        """Start a recording; raises `BadOutput`."""
        files = self._next_files()
        try:
            self.live.record(*files)
        except LanesError:
            self.recorded.pop()
            raise

    def pause(self) -> None:
        """Pause until the user resumes."""
        self.live.pause()

    def stop(self) -> None:
        """Stop the pipeline; finish the recordings, and keep them and the last picture."""
        if self.camera:
            self.camera.close()
        self.live.close()

    def close(self) -> None:
        """Stop the pipeline and its feed."""
        self.feed.close()
        self.stop()

    def finished(self) -> tuple[Path, Path] | None:
        """The newest complete recording: video and JSON lines."""
        whole = [files for files in self.recorded if files[0].exists()]
        return whole[-1] if whole else None


def progress(clip: Clip, now: Snapshot) -> str:
    """The status line: clip, position, and pipeline speed."""
    states = {"opening": "opening", "paused": "paused", "lost": "lost, reconnecting"}
    states |= {"ended": "finished", "stopped": "stopped", "failed": "failed"}
    parts = [f"pipeline {now.fps:.1f} FPS"] if now.state == "playing" else [states[now.state]]
    if now.result and not now.live:
        total = f" of {now.duration:.1f}" if now.duration else ""
        parts.append(f"{now.position:.1f}{total} s")
    if now.dropped:
        parts.append(f"{now.dropped} frames dropped")
    return " · ".join([clip.name, *parts])


def error_text(error: BaseException, clip: Clip) -> str:
    """A pipeline's error as a message, with the user's own file names."""
    if not isinstance(error, LanesError):
        log.error("a pipeline failed", exc_info=error)
        return (
            f"The pipeline failed unexpectedly ({type(error).__name__}). The server's "
            "terminal has the details; please report it."
        )
    sentence = str(error)
    if clip.kind in (UPLOAD, PATH):
        sentence = sentence.replace(clip.input, clip.name)
    return sentence.replace(str(clip.labels), "The ground truth") if clip.labels else sentence


class Tab:
    """The pipelines of one browser tab, by name, and its temporary folder."""

    def __init__(self) -> None:
        self.visitor = returning.Visitor("", "")
        self.message = ""
        """What to say to a visitor who was away."""
        self._temporary = tempfile.TemporaryDirectory(prefix="lanes-tab-")
        self.folder = Path(self._temporary.name)
        self.players: dict[str, Runs] = {}
        self._number = 0

    def opened(self, opens: Callable[[Path], Clip]) -> tuple[Path, Clip]:
        """Open a clip in a new folder; the folder is removed on an error."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        try:
            return folder, opens(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def running(self, name: str, kind: type[Kind]) -> Kind | None:
        """The player of that name, if it is of this kind."""
        player = self.players.get(name)
        return player if isinstance(player, kind) else None

    def play(self, name: str, player: Runs) -> None:
        """Add a player, closing any earlier one of that name and pausing the others."""
        self.stop(name)
        self.pause()
        self.players[name] = player

    def pause(self) -> None:
        """Pause all players."""
        for player in self.players.values():
            player.pause()

    def stop(self, name: str) -> None:
        """Close a player and remove its files."""
        if player := self.players.pop(name, None):
            player.close()
            shutil.rmtree(player.folder, ignore_errors=True)
            del player
            memory.trim()

    def end(self) -> None:
        """End all players after their visitor has left; keep those that recorded something."""
        kept = False
        for name, player in list(self.players.items()):
            player.stop()
            if player.finished():
                kept = True
            else:
                self.stop(name)
        self.message = "The connection was lost for over two minutes, so the run was ended."
        self.message += " What was recorded until then is below." if kept else ""

    def returned(self, seconds: float) -> None:
        """Note that the visitor was away for `seconds`."""
        if not self.message and seconds > AWAY_SECONDS:
            self.message = f"The connection was lost for {seconds:.0f} s; the run went on."

    def close(self) -> None:
        """Close all players and remove all files."""
        for name in list(self.players):
            self.stop(name)
        self._temporary.cleanup()


@st.cache_resource(scope="session", on_release=returning.leave, show_spinner=False)
def current() -> Tab:
    """The current browser tab: the one that the visitor left, or a new one."""
    visitor = returning.visitor()
    tab = returning.found(visitor) or Tab()
    tab.visitor = visitor
    if returning.from_before_a_restart(visitor):
        tab.message = "The server was restarted: what ran before has ended."
    return tab
