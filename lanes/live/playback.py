"""The playback thread of `lanes.live.Live`: opens, labels, scores and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path

from lanes.errors import AfterEnd, BadOutput
from lanes.live.control import Control
from lanes.live.options import LiveOptions
from lanes.live.pacing import Pacer
from lanes.live.recording import Recording
from lanes.live.state import Figures
from lanes.metrics.clip_scores import ClipScores
from lanes.pipeline.consistency import Consistency
from lanes.pipeline.flow import ULTRAFAST
from lanes.pipeline.labelled import Labelled, Look, labelled
from lanes.pipeline.lane_options import steps_of
from lanes.pipeline.stages import Background, prefetch, segment, timed
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.threads import share, usable_cores
from lanes.types import Frame
from lanes.video import ReconnectingSource, Source, open_source
from lanes.video.label_files import open_truth
from lanes.video.opening import is_file

COMPARE_EVERY = 5
"""Interval in frames at which consistency is measured, with the fast optical flow, to keep the
pipeline fast. `lanes.pipeline.consistency` measures every frame by default, with the finer flow."""


class Playback:
    """Plays `given` as `control` requests; results go to `figures` and to recordings.

    `look()` returns the current look of recordings.
    """

    def __init__(
        self,
        given: str | Path | Callable[[], Source],
        options: LiveOptions,
        control: Control,
        figures: Figures,
        recording: Recording,
        look: Callable[[], Look],
    ) -> None:
        self._given, self._options = given, options
        self._control, self._figures, self._recording = control, figures, recording
        self._look = look
        self._scores: ClipScores | None = None
        self._consistency: Consistency | None = None
        self._steps = steps_of(options, options.steps)

    def run(self) -> None:
        """Play until `control` requests the stop; an error ends it and is in the snapshot."""
        try:
            start: float | None = self._options.start
            while start is not None:
                with suppress(AfterEnd) if self._figures.now.result else nullcontext():
                    self._play(start)
                start = self._next_start()
            self._recording.stop()
        except BaseException as error:
            with suppress(BadOutput):
                self._recording.stop()
            # Nothing joins this thread; the snapshot reports the error.
            self._figures.note(error=error)

    def _next_start(self) -> float | None:
        """Wait for a seek at the end of the input; returns where to play next, None to stop."""
        control = self._control
        with control.changed:
            at_end = not control.leaving
        if at_end and self._options.loop:
            return 0.0
        if at_end:
            self._recording.stop()
        with control.changed:
            control.ended = at_end
            while not control.leaving:
                control.changed.wait()
            control.ended = False
            self._figures.gap()
            start, control.seek = control.seek, None
            return None if control.stop.is_set() else start

    def _play(self, start: float) -> None:
        """Play from `start` to the end of the input, or until a seek or a stop."""
        with ExitStack() as stack:
            source = self._open(start)
            stack.callback(self._warn, source)
            stack.enter_context(source)
            self._begin(source, start, stack)
            # Live sources get a depth of 1: frames that wait for the network would be outdated.
            frames = prefetch(timed(source), depth=1 if source.live else 4, newest=source.live)
            stack.enter_context(closing(frames))
            stack.callback(self._finish_in_time)
            background = stack.enter_context(Background(self._score_and_record))
            pacer = Pacer(source, self._control, self._figures)
            while True:
                model = self._control.segmenter
                self._label(frames, model, source, pacer, background)
                if model is self._control.segmenter:
                    return

    def _warn(self, source: Source) -> None:
        """Note what was wrong with a file, once it is closed."""
        if source.warnings:
            self._figures.note(warnings=tuple(source.warnings), unread=tuple(source.unread))

    def _finish_in_time(self) -> None:
        """At the end, finish the recording before a silent source delays it."""
        if self._control.stop.is_set() or ending.asked():
            self._recording.stop()

    def _label(
        self,
        frames: Iterator[Frame],
        model: Segmenter,
        source: Source,
        pacer: Pacer,
        background: Background[Labelled],
    ) -> None:
        """Label `frames` with `model` until another model is requested, and publish the results."""
        passing = pacer.passing(frames, model)
        results = segment(passing, model, self._options.infer_every, pacer.at_once)
        with closing(results):
            for result in labelled(results, model.task, source.first, self._steps, pacer.cuts):
                pacer.cuts.discard(result.frame.index)
                self._figures.publish(result, source)
                background.put(result)

    def _open(self, start: float) -> Source:
        given, threads = self._given, share(usable_cores()).decode
        if callable(given):
            return given()

        def opened() -> Source:
            return open_source(
                given,
                start or None,
                camera=self._options.camera,
                tap_sound=not is_file(given),
                threads=threads,
                timeout=self._options.timeout,
            )

        source = opened()
        if not (source.live and self._options.reconnect):
            return source
        return ReconnectingSource(source, opened, self._control.stop, self._figures.notice)

    def _begin(self, source: Source, start: float, stack: ExitStack) -> None:
        """Set what depends on the source."""
        options, task = self._options, self._control.segmenter.task
        if options.labels:
            truth = open_truth(options.labels, source, task, whole=not start)
            stack.callback(truth.close)
            self._scores = ClipScores(truth, task)
        first_time = self._figures.now.result is None
        if first_time and source.details:
            self._figures.notice(f"{source.name}: {source.details}")
        with self._control.changing() as control:
            control.source = source
            # Discard a seek that was requested before the source was known to be live.
            control.seek = None if source.live else control.seek
            self._figures.note(
                name=source.name,
                live=source.live,
                total=source.first + source.frames if source.frames is not None else None,
                duration=start + source.duration if source.duration is not None else None,
            )
        if first_time and (options.video or options.json or options.events):
            self._recording.start(options.video, options.json, options.overwrite, options.events)

    def _score_and_record(self, result: Labelled) -> None:
        if self._scores:
            if self._scores.task != result.task:  # a model may lack a newer class
                self._scores = ClipScores(self._scores.truth, result.task)
            result.iou = self._scores.score(result.frame, result.labels, result.number)
            self._figures.note(iou=self._scores.recent, iou_total=self._scores.total)
        elif self._options.consistency:
            self._compare(result)
        if self._recording.path:
            result.look = self._look()
            try:
                self._recording.write(result)
            except BadOutput as error:
                # Playback continues without the recording.
                self._figures.notice(str(error))

    def _compare(self, result: Labelled) -> None:
        """Measure the temporal consistency of the labels."""
        if result.cut or self._consistency is None or self._consistency.task is not result.task:
            self._consistency = Consistency(result.task, ULTRAFAST, COMPARE_EVERY)
        self._consistency.compare(result.result)
        self._figures.note(consistency=self._consistency.recent)
