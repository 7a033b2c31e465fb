"""A pipeline that plays in a thread of its own, for a screen that asks when it likes.

    with Live("drive.mp4", segmenter, LiveOptions(real_time=True)) as live:
        while (now := live.snapshot()).state not in ENDS:
            show(now.result, now.fps)

Three threads: decoding; resizing and inference; scoring and recording. `snapshot()` costs them
next to nothing: a slow screen misses frames, it never delays them. What a thread raises is in
`Snapshot.error`.

Here is the screen's side; the thread's is in `lanes.live.playback`, and `lanes.live.control` holds
what both share.
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
    """Plays `given` through `segmenter` until it is closed.

    It is a file, images, a camera or an address; or a function that opens a source of one's own.

    The segmenter stays the caller's; several Lives may use one if all are given its `shared()`.
    A camera or stream gives its newest frame. A file waits at its end for `seek` or `close`.
    The constructor returns at once; what is wrong with the input is in `snapshot().error`.
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
        """Names of the classes that recordings show; None: all."""
        self._control = Control(segmenter, self.options.real_time)
        self._figures = Figures(segmenter.task, self._control.changed)
        read = [path for path in (given, self.options.labels) if isinstance(path, str | Path)]
        self._recording = Recording(self._control, self.options.quality, self._figures.notice, read)
        playback = Playback(
            given, self.options, self._control, self._figures, self._recording, self._look
        )
        self._thread = threading.Thread(target=playback.run, name="live", daemon=True)
        self._thread.start()

    def snapshot(self, latency: bool = True) -> Snapshot:
        """The newest result and figures, at once; without `latency` it costs a hundredth."""
        with self._control.changed:
            state, path = self._state(), self._recording.path
        return self._figures.snapshot(state, path, latency)

    def wait(self, frames: int, seconds: float) -> Snapshot:
        """The newest snapshot: as soon as more than `frames` are done, at the latest in `seconds`.

        A pipeline that has ended has nothing to wait for.
        """
        changed = self._control.changed
        with changed:
            changed.wait_for(
                lambda: self._figures.now.frames > frames or self._state() in ENDS, seconds
            )
        return self.snapshot()

    def pause(self) -> None:
        """Stay at this frame; a camera's later ones are passed over."""
        with self._control.changing() as control:
            control.paused = True

    def resume(self) -> None:
        """Go on; a camera with its newest frame."""
        with self._control.changing() as control:
            control.paused = False

    @property
    def paused(self) -> bool:
        """Whether it is paused, also while its source is lost or at its end."""
        return self._control.paused

    def seek(self, seconds: float) -> None:
        """Go on from another place of a file, also when it has ended; `BadInput` for others.

        What lies after the last frame is the end.
        """
        if self._figures.now.live:
            raise BadInput(f"{self._figures.now.name} is live: nothing can be sought in it")
        with self._control.changing() as control:
            control.seek = max(0.0, seconds)

    @property
    def segmenter(self) -> Segmenter:
        """The model that labels the frames to come."""
        return self._control.segmenter

    def switch(self, segmenter: Segmenter) -> None:
        """Label the frames to come with another model; the old one may be in use a moment longer.

        Raises:
            BadInput: there is truth, of another task than the model's.
        """
        task = self.segmenter.task.name
        if self.options.labels and segmenter.task.name != task:
            raise BadInput(
                f"{segmenter.card.name} labels {segmenter.task.name!r}, the truth "
                f"{self.options.labels} is of {task!r}: choose a model of that"
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
        """Write what is played from now on to `video` (H.264, labels drawn), `json`, or both.

        Raises:
            BadOutput: it cannot be made there, one is made already, or nothing is played yet.
        """
        self._recording.start(video, json, overwrite)

    def stop_recording(self) -> None:
        """Make the recorded files whole; raises `BadOutput` if they cannot be finished."""
        self._recording.stop()

    def stop(self) -> None:
        """Ask the thread to end, and return; `snapshot` keeps its last answer."""
        with self._control.changing() as control:
            control.stop.set()

    def close(self, limit: float = 15.0) -> bool:
        """End the thread, its recordings whole; tells whether it ended within `limit` seconds.

        A blocked read of a network ends after `LiveOptions.timeout`; a camera's when its driver
        gives up. A thread that is still in it then ends by itself afterwards.
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
        """How recordings look now."""
        lines = hud_lines(self.snapshot()) if self.options.hud else ()
        return Look(self.alpha, self.classes, tuple(lines))
