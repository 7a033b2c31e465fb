"""A pipeline that plays in a separate thread, for a screen that polls it.

    with Live("drive.mp4", segmenter, LiveOptions(real_time=True)) as live:
        while (now := live.snapshot()).state not in ENDS:
            show(now.result, now.fps)

There are three threads: decoding; resizing and inference; scoring and recording. `snapshot()` is
cheap: a slow screen skips frames, but does not slow them down. Errors of the threads are in
`Snapshot.error`.

This module is the screen's side; `lanes.live.playback` is the thread's, and `lanes.live.control`
their shared state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from lanes.errors import BadInput
from lanes.live.control import Control
from lanes.live.options import LiveOptions
from lanes.live.playback import Playback
from lanes.live.recording import Recording
from lanes.live.snapshot import ENDS, Latency, Snapshot, State, hud_lines
from lanes.live.state import Figures
from lanes.pipeline.labelled import Look
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.video import Source

__all__ = ["ENDS", "Latency", "Live", "LiveOptions", "Snapshot", "State", "hud_lines"]

TO_REPORT_SECONDS = 0.2
"""The time that `close` leaves the caller, once a signal asked the process to end."""


class Live:
    """Plays `given` through `segmenter` until `close`.

    `given` is a file, images, a camera or a URL, or a function that opens a custom source.

    The caller closes the segmenter; several Lives may use one if each gets its `shared()`.
    For cameras and streams, only the newest frame is labelled. At its end, a file waits for `seek`
    or `close`. The constructor returns at once; errors of the input are in `snapshot().error`.
    """

    def __init__(
        self,
        given: str | Path | Callable[[], Source],
        segmenter: Segmenter,
        options: LiveOptions | None = None,
    ) -> None:
        self.options = options or LiveOptions()
        self.alpha = self.options.alpha
        """Opacity of the labels in recordings, 0..1."""
        self.classes: Collection[str] | None = None
        """Names of the classes drawn in recordings; None: all."""
        self.lane = True
        """Whether recordings show the lane lines, if the task has them."""
        self._control = Control(segmenter, self.options.real_time)
        self._figures = Figures(segmenter.task, self._control.changed)
        read = [path for path in (given, self.options.labels) if isinstance(path, str | Path)]
        self._recording = Recording(
            self._control,
            self.options.quality,
            self._figures.notice,
            None if callable(given) else given,
            read,
        )
        playback = Playback(
            given, self.options, self._control, self._figures, self._recording, self._look
        )
        self._thread = threading.Thread(target=playback.run, name="live", daemon=True)
        self._thread.start()

    def snapshot(self, latency: bool = True) -> Snapshot:
        """The newest result and statistics; without `latency` it takes a hundredth of the time."""
        with self._control.changed:
            state, path = self._state(), self._recording.path
        return self._figures.snapshot(state, path, latency)

    def wait(self, frames: int, seconds: float) -> Snapshot:
        """Wait until more than `frames` are done or the pipeline has ended, for up to `seconds`.

        Returns the newest snapshot.
        """
        changed = self._control.changed
        with changed:
            changed.wait_for(
                lambda: self._figures.now.frames > frames or self._state() in ENDS, seconds
            )
        return self.snapshot()

    def pause(self) -> None:
        """Pause at this frame; a camera's later frames are skipped."""
        with self._control.changing() as control:
            control.paused = True

    def resume(self) -> None:
        """Resume; a camera resumes with its newest frame."""
        with self._control.changing() as control:
            control.paused = False

    @property
    def paused(self) -> bool:
        """Whether playback is paused, also while the source is lost or at its end."""
        return self._control.paused

    @property
    def losses(self) -> int:
        """How often a camera or stream was lost."""
        source = self._control.source
        return source.losses if source else 0

    def seek(self, seconds: float) -> None:
        """Continue at another position of a file, in seconds, also after its end.

        A position after the last frame is the end. Raises `BadInput` for a live source.
        """
        if self._figures.now.live:
            raise BadInput(
                f"cannot seek in {self._figures.now.name}: it is live; only files can seek"
            )
        with self._control.changing() as control:
            control.seek = max(0.0, seconds)

    @property
    def segmenter(self) -> Segmenter:
        """The model for the next frames."""
        return self._control.segmenter

    def switch(self, segmenter: Segmenter) -> None:
        """Label the next frames with another model; the old one may be in use a moment longer.

        Raises:
            BadInput: there is ground truth for another task than the model's.
        """
        task = self.segmenter.task.name
        if self.options.labels and segmenter.task.name != task:
            raise BadInput(
                f"{segmenter.card.name} has the task {segmenter.task.name!r}, the ground truth "
                f"{self.options.labels} has {task!r}: choose a model for that task"
            )
        with self._control.changing() as control:
            control.segmenter = segmenter

    @property
    def real_time(self) -> bool:
        """Whether a file is played at its own rate; may be changed at any time."""
        return self._control.real_time

    @real_time.setter
    def real_time(self, value: bool) -> None:
        with self._control.changing() as control:
            control.real_time = value

    def record(self, video: Path | None, json: Path | None = None, overwrite: bool = False) -> None:
        """Record what is played from now on to `video` (H.264, with labels), `json`, or both.

        Raises:
            BadOutput: a file cannot be created, a recording is running, or nothing is played yet.
        """
        self._recording.start(video, json, overwrite)

    def stop_recording(self) -> None:
        """Complete the recorded files; raises `BadOutput` if that fails."""
        self._recording.stop()

    def stop(self) -> None:
        """Request the thread to end, without waiting; `snapshot` keeps the last state."""
        with self._control.changing() as control:
            control.stop.set()

    def close(self, limit: float = 15.0) -> bool:
        """Complete recordings and end the thread; returns whether it ended within `limit` seconds.

        A blocked read of a stream ends after `LiveOptions.timeout`, of a camera when its driver
        gives up. If that takes longer than `limit`, the thread ends by itself afterwards.
        """
        self.stop()
        self._thread.join(min(limit, max(0.0, ending.seconds_left() - TO_REPORT_SECONDS)))
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def _state(self) -> State:
        control = self._control
        if self._figures.now.error is not None:
            return "failed"
        if not self._thread.is_alive():
            return "stopped"
        if control.ended and control.seek is None:
            return "ended"
        if control.source and control.source.lost_since is not None:
            return "lost"
        if control.paused:
            return "paused"
        return "opening" if self._figures.now.result is None else "playing"

    def _look(self) -> Look:
        """The current look of recordings."""
        lines = hud_lines(self.snapshot()) if self.options.hud else ()
        birdseye = self.options.birdseye
        return Look(self.alpha, self.classes, tuple(lines), birdseye=birdseye, lane=self.lane)
