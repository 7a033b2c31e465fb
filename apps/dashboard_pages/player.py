"""A pipeline of a browser tab: what it plays, its figures, and its recordings."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TypeAlias

import cv2

from dashboard_pages import screen
from dashboard_pages.browser_camera import BrowserCamera
from dashboard_pages.feed import Feed, Mark, Picture
from dashboard_pages.history import History
from lanes.draw.overlay import only
from lanes.errors import LanesError
from lanes.live.player import Live, LiveOptions, Snapshot
from lanes.pipeline.labelled import Labelled, Look
from lanes.pipeline.wrong_pictures import FrameKinds, mismatch
from lanes.segmenter import Segmenter
from lanes.types import Image, PictureKind, Task

Content: TypeAlias = Callable[[], bytes]
"""A download's content, made on demand."""
DEMO, UPLOAD, PATH = "Demo", "Upload", "Path or URL"
BROWSER, CAMERA = "Camera of this browser", "Camera of the server"
"""Kinds of sources."""
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

    @property
    def stem(self) -> str:
        """The beginning of the names of this clip's downloads."""
        if self.kind not in (UPLOAD, PATH):
            return self.name.split()[-1] if self.kind == DEMO else "camera"
        return re.sub(r"[^\w.-]+", "_", PurePath(self.name.replace("\\", "/")).stem) or "clip"


class Player:
    """A tab's pipeline, with its history of figures and its recordings."""

    def __init__(
        self, clip: Clip, segmenter: Segmenter, folder: Path, real_time: bool, record: bool
    ) -> None:
        """Start playing; recordings go to `folder`; `record` starts one at the first frame."""
        self.clip, self.segmenter, self.folder = clip, segmenter, folder
        self._record, self._real_time = record, real_time
        self.recorded: list[tuple[Path, Path]] = []
        self._begin()
        self.feed = Feed(self.picture, self._take if clip.kind == BROWSER else None)

    def _begin(self) -> None:
        self._forget()
        first = self._next_files() if self._record else (None, None)
        options = LiveOptions(
            labels=self.clip.labels,
            real_time=self._real_time,
            loop=self.clip.loop,
            video=first[0],
            json=first[1],
        )
        self.camera = BrowserCamera() if self.clip.kind == BROWSER else None
        opens = self.camera.opened if self.camera else self.clip.input
        self.live = Live(opens, self.segmenter, options)

    def _forget(self) -> None:
        self.history, self.began = History(), time.monotonic()
        self._kinds, self._looked = FrameKinds(self.segmenter.task, every=1), 0

    def mismatch(self, now: Snapshot) -> tuple[PictureKind, str] | None:
        """The kind of pictures that the model is not for, if the clip has them, and a sentence."""
        if now.result and now.frames != self._looked:
            self._looked = now.frames
            self._kinds.look(now.result.frame)
        other = self._kinds.other
        return (other, mismatch(self.segmenter.card, other, [self.clip.name])) if other else None

    def switch(self, segmenter: Segmenter) -> None:
        """Play the clip from its beginning with another model; raises `BadInput`."""
        self.live.switch(segmenter)
        self.segmenter, self.live.classes = segmenter, None
        if self.live.snapshot().state in ("stopped", "failed"):
            self.restart()
            return
        self._forget()
        self.live.resume()
        if not self.live.snapshot().live:
            self.live.seek(0)

    def restart(self) -> None:
        """Play from the beginning again, after `stop` or a failure; recordings are kept."""
        before = self.live
        self._real_time = before.real_time
        self._begin()
        self.live.alpha, self.live.classes, self.live.lane = (
            before.alpha, before.classes, before.lane
        )  # fmt: skip

    def _take(self, content: bytes) -> None:
        """Pass a picture of the browser's camera on."""
        if self.camera:
            self.camera.take(content)

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
            mark=f"{now.frames} {self.live.alpha} {self.live.classes} {self.live.lane}",
            state=now.state,
            caption=progress(self.clip, now, self.live),
            draw=partial(self._jpeg, result) if result else None,
            at=(now.position, now.duration) if result and now.duration else None,
            marks=_marks(now),
        )

    def named(self, sentence: str) -> str:
        """A message with the user's own file names."""
        return named(sentence, self.clip).replace(f"{self.folder}/", "")

    def snapshot(self) -> bytes:
        """The newest frame with its labels as a full-size PNG file; empty before there is one."""
        result = self.live.snapshot().result
        return cv2.imencode(".png", self._drawn(result))[1].tobytes() if result else b""

    def _jpeg(self, result: Labelled) -> bytes:
        return screen.jpeg(self._drawn(result, screen.WIDTH))

    def _drawn(self, result: Labelled, width: int | None = None) -> Image:
        """The frame as a recording shows it, without the HUD; shrunk to `width`."""
        nothing = self.live.classes is not None and not self.live.classes
        alpha, lane = 0.0 if nothing else self.live.alpha, self.live.lane
        look = Look(alpha, self.live.classes, lane=lane, bar=True)
        image = result.looking(look).drawn.bgr
        return screen.smaller(image, width) if width else image

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


def _marks(now: Snapshot) -> list[Mark]:
    """What happened in the clip: losses, departures, lane changes."""
    unread = [(start, end, "could not be read") for start, end in now.unread]
    return unread + [(e.start, e.end, f"{e.kind}, {e.side}") for e in now.all_events]


def progress(clip: Clip, now: Snapshot, live: Live) -> str:
    """The status line: clip, model, position, speed, and the time left."""
    states = {"opening": "opening", "paused": "paused", "lost": "lost, reconnecting"}
    states |= {"ended": "finished", "stopped": "stopped", "failed": "failed"}
    parts = [f"pipeline {now.fps:.1f} FPS"] if now.state == "playing" else [states[now.state]]
    if now.result and not now.live:
        total = f" of {now.duration:.1f}" if now.duration else ""
        parts.append(f"{now.position:.1f}{total} s")
    if now.dropped:
        parts.append(f"{now.dropped} frames dropped")
    left = None if clip.loop or live.real_time else _seconds_left(now)
    if left is not None:
        parts.append(f"{left:.0f} s left")
    return " · ".join([clip.name, live.segmenter.card.name, *parts])


def _seconds_left(now: Snapshot) -> float | None:
    """How long the rest of a file takes at the present speed; None if that is unknown."""
    if now.state != "playing" or now.total is None or not now.fps:
        return None
    return max(now.total - now.number - 1, 0) / now.fps


def error_text(error: BaseException, clip: Clip) -> str:
    """A pipeline's error as a message, with the user's own file names."""
    if not isinstance(error, LanesError):
        log.error("a pipeline failed", exc_info=error)
        return (
            f"The pipeline failed unexpectedly ({type(error).__name__}). The server's "
            "terminal has the details; please report it."
        )
    return named(str(error), clip)


def named(sentence: str, clip: Clip) -> str:
    """A message about a clip with the user's own file names."""
    if clip.kind in (UPLOAD, PATH):
        sentence = sentence.replace(clip.input, clip.name)
    return sentence.replace(str(clip.labels), "The ground truth") if clip.labels else sentence
