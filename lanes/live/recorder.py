"""Writes what `lanes.live` plays: a video with the labels drawn on it, JSON lines, or both."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from lanes.draw import hud
from lanes.draw.overlay import ALPHA, overlay
from lanes.types import Frame, Result, Task
from lanes.video import Quality, Source, VideoSink
from lanes.video.output_files import JsonLines, frame_record


class Recorder:
    """Writes results until `finish`; the files appear under their names only then, whole.

    Frames follow one another in the video as they were played: it has no gap where `cut` was called
    (a pause, a jump to another place). It has no sound. May be used by several threads.

    Raises:
        BadOutput: a file cannot be made; nothing is left of it.
    """

    def __init__(
        self,
        source: Source,
        video: Path | None = None,
        json: Path | None = None,
        *,
        quality: Quality = "fast",
        overwrite: bool = False,
        threads: int = 0,
    ) -> None:
        self.path, self.frames = video or json, 0
        self._lock = threading.Lock()
        self._sink: VideoSink | None = None
        self._json: JsonLines | None = None
        self._shift, self._last = Fraction(0), Fraction(0)
        self._step = 1 / (source.rate or Fraction(25))
        self._cut = True
        with ExitStack() as stack:
            if json:
                self._json = stack.enter_context(JsonLines(json, overwrite))
            if video:
                self._sink = stack.enter_context(
                    VideoSink.like(
                        source, video, quality=quality, overwrite=overwrite, threads=threads
                    )
                )
            self._files: ExitStack | None = stack.pop_all()

    def cut(self) -> None:
        """Let the next frame follow the last at once, whatever its time."""
        self._cut = True

    def write(
        self,
        result: Result,
        number: int,
        task: Task,
        alpha: float = ALPHA,
        iou: Mapping[str, float] | None = None,
        lines: Sequence[str] = (),
    ) -> None:
        """Draw the labels and `lines` (HUD) on a copy of the frame, and write it.

        Raises:
            BadOutput: it cannot be written; nothing is left of the files.
        """
        with self._lock:
            if self._files is None:
                return
            try:
                if self._sink:
                    drawn = overlay(result.frame, result.labels, task, alpha)
                    if lines:
                        hud.draw(drawn, lines)
                    drawn.pts = self._time_of(drawn)
                    self._sink.write(drawn)
                if self._json:
                    self._json.write(frame_record(result, number, task, result.seconds, iou))
                self.frames += 1
            except BaseException as error:
                self._leave(error)
                raise

    def _time_of(self, frame: Frame) -> int:
        """When the video shows a frame, in the frame's time base."""
        time = frame.pts * frame.time_base
        if self._cut:
            follows = self._last + self._step if self.frames else Fraction(0)
            self._shift, self._cut = follows - time, False
        self._last = time + self._shift
        return round(self._last / frame.time_base)

    def finish(self) -> None:
        """Make the files whole; without any frame there is no video.

        Raises:
            BadOutput: they cannot be finished; nothing is left of them.
        """
        with self._lock:
            if self._sink and not self.frames:
                self._sink.abort()
            self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        files, self._files = self._files, None
        if files is not None:
            files.__exit__(type(error) if error else None, error, None)
