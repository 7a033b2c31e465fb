"""Decides which frames pass, and when: pause, seek, real time, model changes."""

from __future__ import annotations

from collections.abc import Iterator

from lanes.live.control import Control
from lanes.live.play_clock import PlayClock
from lanes.live.state import Figures
from lanes.segmenter import Segmenter
from lanes.types import Frame
from lanes.video import Source


class Pacer:
    """Passes the frames of `source` as the screen requests; used by the playback thread.

    `cuts` are the indices of frames that do not directly follow the previous one, as after a pause.
    """

    def __init__(self, source: Source, control: Control, figures: Figures) -> None:
        self._source, self._control, self._figures = source, control, figures
        self._behind = False
        self.cuts: set[int] = set()

    def passing(self, frames: Iterator[Frame], model: Segmenter) -> Iterator[Frame]:
        """The frames to process: none while paused; in real time, each when it is due.

        Ends when the screen requests a seek, another model than `model`, or the stop. The first
        frame passes even while paused, to show the result of a seek.
        """
        source, control, figures = self._source, self._control, self._figures
        clock = PlayClock(1 / float(source.rate or 25))
        follows: int | None = None
        cut, losses = True, source.losses
        while model is control.segmenter and (frame := next(frames, None)) is not None:
            skipped = 0 if follows is None else frame.index - follows
            follows = frame.index + 1
            if source.live and control.paused and not control.stop.is_set():
                cut = True
                continue
            if source.losses > losses:
                # A recording keeps the gap; the FPS ignore it.
                losses = source.losses
                figures.gap()
            if not self._may_pass(frame, clock):
                return
            in_real_time = control.real_time and not source.live
            self._behind = in_real_time and clock.behind(frame)
            late = in_real_time and clock.too_late(frame)
            figures.dropped(skipped + late)
            if late:
                continue
            if cut:
                self.cuts.add(frame.index)
                cut = False
                if source.live:
                    figures.gap()
            clock.passed()
            yield frame

    def at_once(self) -> bool:
        """Whether the next frame may take long, so that results should not wait for it."""
        control = self._control
        in_time = control.real_time and not self._behind
        return control.paused or in_time or self._source.live

    def _may_pass(self, frame: Frame, clock: PlayClock) -> bool:
        """Wait until the frame may pass; False if a seek or a stop is requested meanwhile."""
        control = self._control
        with control.changed:
            while not control.leaving:
                if control.paused and clock.began:
                    clock.restart()
                    self._figures.gap()
                    control.changed.wait()
                    continue
                if not control.real_time or self._source.live:
                    # The playback rate changed; due times are stale.
                    clock.restart()
                    return True
                if (early := clock.early(frame)) <= 0:
                    return True
                control.changed.wait(early)
            return False
