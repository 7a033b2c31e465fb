"""A pipeline that plays in a thread of its own, for a screen that asks when it likes.

    with Live("drive.mp4", segmenter, LiveOptions(real_time=True)) as live:
        while (now := live.snapshot()).state not in ENDS:
            show(now.result, now.fps)

Three threads: decoding; resizing and inference; scoring and recording. `snapshot()` costs them
next to nothing: a slow screen misses frames, it never delays them. What a thread raises is in
`Snapshot.error`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from lanes.draw.overlay import ALPHA
from lanes.errors import AfterEnd, BadInput, BadOutput
from lanes.live.play_clock import PlayClock
from lanes.live.snapshot import ENDS, Latency, Snapshot, State, hud_lines
from lanes.live.state import Figures
from lanes.metrics.clip_scores import ClipScores
from lanes.pipeline.consistency import Consistency
from lanes.pipeline.flow import ULTRAFAST
from lanes.pipeline.labelled import Labelled, Look, Step, labelled
from lanes.pipeline.outputs import JsonLines, VideoOutput
from lanes.pipeline.recorder import Recorder
from lanes.pipeline.stages import Background, prefetch, segment, timed
from lanes.segmenter import Segmenter
from lanes.system.threads import share, usable_cores
from lanes.types import Frame
from lanes.video import Quality, ReconnectingSource, Source, VideoSink, open_source
from lanes.video.base import first_number
from lanes.video.label_files import open_truth

__all__ = ["ENDS", "Latency", "Live", "LiveOptions", "Snapshot", "State", "hud_lines"]

COMPARE_EVERY = 5
"""Consistency is measured on every so many-th frame, by the quick optical flow: it must not cost
the pipeline its speed. `lanes.pipeline.consistency` measures every frame, by the fine one."""


@dataclass(frozen=True)
class LiveOptions:
    """How to play an input. Changed while it plays: pause, seek, speed, recordings.

    `labels` is the truth, as for `lanes-video --labels`. `video` and `json` are files to write from
    the first frame to the end. `start` is in seconds. `real_time` plays a file at its own rate and
    leaves out frames that come too late; else every frame is played, as fast as possible. `loop`
    begins again at the end. `consistency` measures how steady the labels are where no truth is.
    A network that is silent for `timeout` seconds is lost; with `reconnect` a camera or stream that
    is lost is opened again, until it is back. `steps` change each result before it is shown:
    see `lanes.pipeline.labelled`.
    """

    labels: Path | None = None
    video: Path | None = None
    json: Path | None = None
    alpha: float = ALPHA
    hud: bool = True
    quality: Quality = "fast"
    overwrite: bool = False
    start: float = 0.0
    real_time: bool = False
    loop: bool = False
    infer_every: int = 1
    consistency: bool = True
    reconnect: bool = True
    timeout: float = 5.0
    steps: Sequence[Step] = ()


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
        self.given, self.segmenter = given, segmenter
        self.options = options or LiveOptions()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self.alpha = self.options.alpha
        self.classes: Collection[str] | None = None
        """Names of the classes that recordings show; None: all."""
        self._seek: float | None = None
        self._paused = False
        self._real_time = self.options.real_time
        self._behind = False
        self._source: Source | None = None
        self._recorder: Recorder | None = None
        self._ended = False
        self._scores: ClipScores | None = None
        self._consistency: Consistency | None = None
        self._cuts: set[int] = set()
        self._figures = Figures(segmenter.task, self._changed)
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ for the screen

    def snapshot(self, latency: bool = True) -> Snapshot:
        """The newest result and figures, at once; who asks often leaves out `latency`."""
        with self._changed:
            state, recorder = self._state(), self._recorder
        return self._figures.snapshot(state, recorder.path if recorder else None, latency)

    def wait(self, frames: int, seconds: float) -> Snapshot:
        """The newest snapshot: as soon as more than `frames` are done, at the latest in `seconds`.

        A pipeline that has ended has nothing to wait for.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._figures.now.frames > frames or self._state() in ENDS, seconds
            )
        return self.snapshot()

    def pause(self) -> None:
        """Stay at this frame; a camera's later ones are passed over."""
        self._set("_paused", True)

    def resume(self) -> None:
        """Go on; a camera with its newest frame."""
        self._set("_paused", False)

    @property
    def paused(self) -> bool:
        """Whether it is paused, also while its source is lost or at its end."""
        return self._paused

    def seek(self, seconds: float) -> None:
        """Go on from another place of a file, also when it has ended; `BadInput` for others.

        What lies after the last frame is the end.
        """
        if self._figures.now.live:
            raise BadInput(f"{self._figures.now.name} is live: nothing can be sought in it")
        self._set("_seek", max(0.0, seconds))

    def switch(self, segmenter: Segmenter) -> None:
        """Label the frames to come with another model; the old one may be in use a moment longer.

        Raises:
            BadInput: there is truth, of another task than the model's.
        """
        if self.options.labels and segmenter.task.name != self.segmenter.task.name:
            raise BadInput(
                f"{segmenter.card.name} labels {segmenter.task.name!r}, the truth "
                f"{self.options.labels} is of {self.segmenter.task.name!r}: choose a model of that"
            )
        self._set("segmenter", segmenter)

    @property
    def real_time(self) -> bool:
        """Whether a file is played at its own rate; may be changed at any time."""
        return self._real_time

    @real_time.setter
    def real_time(self, value: bool) -> None:
        self._set("_real_time", value)

    def record(self, video: Path | None, json: Path | None = None, overwrite: bool = False) -> None:
        """Write what is played from now on to `video` (H.264, labels drawn), `json`, or both.

        Raises:
            BadOutput: it cannot be made there, one is made already, or nothing is played yet.
        """
        with self._changed:
            source = self._source
        if source is None:
            raise BadOutput(f"{video or json} is not begun: no frame has come yet; wait for one")
        if self._recorder:
            raise BadOutput(f"{self._recorder.path} is being recorded: stop that first")
        self._set("_recorder", self._new_recorder(source, video, json, overwrite))

    def stop_recording(self) -> None:
        """Make the recorded files whole; raises `BadOutput` if they cannot be finished."""
        with self._changed:
            recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.finish()

    def stop(self) -> None:
        """Ask the thread to end, and return; `snapshot` keeps its last answer."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def close(self, limit: float = 15.0) -> bool:
        """End the thread, its recordings whole; tells whether it ended within `limit` seconds.

        A blocked read of a network ends after `LiveOptions.timeout`; a camera's when its driver
        gives up. A thread that is still in it then ends by itself afterwards.
        """
        self.stop()
        self._thread.join(limit)
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

    def _new_recorder(
        self, source: Source, video: Path | None, json: Path | None, overwrite: bool
    ) -> Recorder | None:
        """None without any file to write."""
        path = video or json
        if path is None:
            return None
        with ExitStack() as stack:
            recorder = stack.enter_context(Recorder(path))
            if video:
                sink = VideoSink.like(
                    source,
                    video,
                    quality=self.options.quality,
                    overwrite=overwrite,
                    threads=share(usable_cores()).encode,
                )
                step = 1 / (source.rate or Fraction(25))
                recorder.add(VideoOutput(sink, step, needs_frames=False))
            if json:
                recorder.add(JsonLines(json, overwrite))
            stack.pop_all()
        return recorder

    def _set(self, name: str, value: object) -> None:
        with self._changed:
            setattr(self, name, value)
            self._changed.notify_all()

    def _state(self) -> State:
        if self._figures.now.error is not None:
            return "failed"
        if not self._thread.is_alive():
            return "stopped"
        if self._ended and self._seek is None:
            return "ended"
        if self._source and self._source.lost_since is not None:
            return "lost"
        if self._paused:
            return "paused"
        return "opening" if self._figures.now.result is None else "playing"

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        try:
            start: float | None = self.options.start
            while start is not None:
                with suppress(AfterEnd) if self._figures.now.result else nullcontext():
                    self._play(start)
                start = self._next_start()
            self.stop_recording()
        except BaseException as error:
            with suppress(BadOutput):
                self.stop_recording()
            # Nobody waits for this thread: the error is told by `snapshot`.
            self._figures.note(error=error)

    def _next_start(self) -> float | None:
        """Where to play next; at the end of the input this waits to be told. None: nowhere."""
        with self._changed:
            at_end = self._seek is None and not self._stop.is_set()
        if at_end and self.options.loop:
            return 0.0
        if at_end:
            self.stop_recording()
        with self._changed:
            self._ended = at_end
            while self._seek is None and not self._stop.is_set():
                self._changed.wait()
            self._ended = False
            self._figures.gap()
            start, self._seek = self._seek, None
            return None if self._stop.is_set() else start

    def _play(self, start: float) -> None:
        """Play from `start` to the end of the input, or until told otherwise."""
        with ExitStack() as stack:
            source = stack.enter_context(self._open(start))
            first = self._begin(source, start, stack)
            background = stack.enter_context(Background(self._score_and_record))
            # A depth of 1: what waits while the network is busy is old when its turn comes.
            frames = prefetch(timed(source), depth=1 if source.live else 4, newest=source.live)
            frames = stack.enter_context(closing(frames))
            while True:
                model = self.segmenter
                self._label(
                    self._controlled(frames, source, model), model, source, first, background
                )
                if model is self.segmenter:
                    return

    def _label(
        self,
        frames: Iterator[Frame],
        model: Segmenter,
        source: Source,
        first: int,
        background: Background[Labelled],
    ) -> None:
        """Pass `frames` through the network and on."""
        results = segment(frames, model, self.options.infer_every, self._at_once)
        with closing(results):
            steps, cuts = self.options.steps, self._cuts
            for result in labelled(results, model.task, first, steps, cuts):
                cuts.discard(result.frame.index)
                self._figures.publish(result, source)
                background.put(result)

    def _open(self, start: float) -> Source:
        given, threads = self.given, share(usable_cores()).decode
        if callable(given):
            return given()

        def opened() -> Source:
            return open_source(given, start or None, threads=threads, timeout=self.options.timeout)

        source = opened()
        if not (source.live and self.options.reconnect):
            return source
        return ReconnectingSource(source, opened, self._stop, self._figures.notice)

    def _begin(self, source: Source, start: float, stack: ExitStack) -> int:
        """Set what depends on the source; gives the number of its first frame."""
        options, task = self.options, self.segmenter.task
        if options.labels:
            truth = open_truth(options.labels, source, task, start or None, whole=not start)
            stack.callback(truth.close)
            self._scores = ClipScores(truth, task)
        self._cuts.clear()
        first_time = self._figures.now.result is None
        first = first_number(start, source.rate)
        with self._changed:
            self._source = source
            # Asked for before it was known that nothing can be sought here.
            self._seek = None if source.live else self._seek
            self._figures.note(
                name=source.name,
                live=source.live,
                total=first + source.frames if source.frames is not None else None,
                duration=start + source.duration if source.duration is not None else None,
            )
        if first_time and (options.video or options.json):
            self.record(options.video, options.json, options.overwrite)
        return first

    def _controlled(
        self, frames: Iterator[Frame], source: Source, model: Segmenter
    ) -> Iterator[Frame]:
        """The frames that may go on: not while paused, in real time when they are due.

        They end where something else is wanted: another place, another model than `model`, the end.
        The first passes even while paused: it shows where a seek went.
        """
        clock = PlayClock(1 / float(source.rate or 25))
        follows: int | None = None
        cut, losses = True, source.losses
        while model is self.segmenter and (frame := next(frames, None)) is not None:
            skipped = 0 if follows is None else frame.index - follows
            follows = frame.index + 1
            if source.live and self._paused and not self._stop.is_set():
                cut = True
                continue
            if source.losses > losses:
                # In a recording the gap stays a gap; a rate over it would be none.
                losses = source.losses
                self._figures.gap()
            if not self._may_pass(frame, clock, source.live):
                return
            in_real_time = self._real_time and not source.live
            self._behind = in_real_time and clock.behind(frame)
            late = in_real_time and clock.too_late(frame)
            self._figures.dropped(skipped + late)
            if late:
                continue
            if cut:
                self._cuts.add(frame.index)
                cut = False
                if source.live:
                    self._figures.gap()
            clock.passed()
            yield frame

    def _may_pass(self, frame: Frame, clock: PlayClock, live: bool) -> bool:
        """Wait until the frame may pass; False if something else is wanted meanwhile."""
        with self._changed:
            while self._seek is None and not self._stop.is_set():
                if self._paused and clock.began:
                    clock.restart()
                    self._figures.gap()
                    self._changed.wait()
                    continue
                if not self._real_time or live:
                    # Played at another rate, what was due when is no longer so.
                    clock.restart()
                    return True
                if (early := clock.early(frame)) <= 0:
                    return True
                self._changed.wait(early)
            return False

    def _at_once(self) -> bool:
        """Whether the next frame may be long in coming: then the engine need not be kept busy."""
        in_time = self._real_time and not self._behind
        return self._paused or in_time or self._figures.now.live

    def _score_and_record(self, result: Labelled) -> None:
        if self._scores:
            if self._scores.task != result.task:  # one of the models is older than a class
                self._scores = ClipScores(self._scores.truth, result.task)
            result.iou = self._scores.score(result.frame, result.labels, result.number)
            self._figures.note(iou=self._scores.recent, iou_total=self._scores.total)
        elif self.options.consistency:
            self._compare(result)
        if recorder := self._recorder:
            self._record(recorder, result)

    def _compare(self, result: Labelled) -> None:
        """Measure how steady the labels are."""
        if result.cut or self._consistency is None or self._consistency.task is not result.task:
            self._consistency = Consistency(result.task, ULTRAFAST, COMPARE_EVERY)
        self._consistency.compare(result.result)
        self._figures.note(consistency=self._consistency.recent)

    def _record(self, recorder: Recorder, result: Labelled) -> None:
        lines = hud_lines(self.snapshot()) if self.options.hud else ()
        result.look = Look(self.alpha, self.classes, tuple(lines))
        try:
            recorder.write(result)
        except BadOutput as error:
            # The picture on the screen goes on.
            self._figures.notice(str(error))
            self._set("_recorder", None)
