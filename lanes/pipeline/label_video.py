"""Labels an input and writes a video with the labels drawn on it, and optionally other files.

Three threads overlap, with bounded queues between them: decoding; resizing and inference; drawing
and encoding. Memory use does not depend on the clip's length: about a dozen frames of 3 MB (at
1920x1080) are held at a time: 4 in each queue, one in each thread, and `depth` in the engine.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from lanes.card import ModelCard
from lanes.draw import hud
from lanes.draw.overlay import ALPHA
from lanes.errors import BadInput
from lanes.lines.departure import Event, LaneKeeping
from lanes.metrics.clip_scores import ClipScores
from lanes.pipeline.labelled import Labelled, Look, Step, labelled
from lanes.pipeline.lane_options import LaneFiles, check_lane_options, steps_of
from lanes.pipeline.lane_outputs import check_clip_folder, cut_event_clips, lane_outputs
from lanes.pipeline.outputs import JsonLines, MaskOutput, VideoOutput
from lanes.pipeline.recorder import Recorder
from lanes.pipeline.stages import Background, check_infer_every, prefetch, segment, timed
from lanes.pipeline.wrong_pictures import FrameKinds, mismatch
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.meters import LatencyMeter, RateMeter
from lanes.system.threads import Threads, opencv_threads, share, usable_cores
from lanes.types import Frame, Task
from lanes.video import CameraMode, Quality, Source, VideoSink, open_source
from lanes.video.label_files import open_truth
from lanes.video.opening import is_file, local_path
from lanes.video.output_files import StillSink, default_output, is_still, output_beside
from lanes.video.places import check_apart, files_read

STAGES = ("decode", "resize", "infer", "carry", "smooth", "lines", "overlay", "encode")
LATE_SECONDS = 1.0
"""Frames of a live source are dropped if they are later than this."""
CHANGE_EVERY = 10
"""The HUD is updated every so many frames: numbers that flicker are hard to read."""


@dataclass(frozen=True)
class Options(LaneFiles):
    """Options for an input; see `lanes-video --help`. `threads` None divides the available cores.

    `steps` change each result before it is drawn and written; see `lanes.pipeline.labelled`.
    """

    output: Path | None = None
    labels: Path | None = None
    masks: Path | None = None
    json: Path | None = None
    start: float | None = None
    end: float | None = None
    max_frames: int | None = None
    seconds: float | None = None
    fps: float | None = None
    stream: int | None = None
    camera: CameraMode | None = None
    alpha: float = ALPHA
    hud: bool = True
    overwrite: bool = False
    quality: Quality = "fast"
    infer_every: int = 1
    threads: Threads | None = None
    steps: Sequence[Step] = ()


@dataclass
class Summary:
    """The outcome for an input. `iou` is by class name, pooled over all frames with ground truth.

    The network labelled `inferred` of the `frames`, optical flow the others. `dropped` frames of a
    camera or stream came too fast, `lost` ones could not be read.
    `signal` is the number of the signal that ended it early, such as 2 for Ctrl-C; 0 if none did.
    `details` describe the mode that a camera was set to. `events` are the departures and lane
    changes, `clips` those cut out around them; `under_way` is a departure that has not ended.
    `first` is the time of the first frame.
    """

    output: Path = Path()
    details: str = ""
    frames: int = 0
    inferred: int = 0
    began: float = 0.0
    seconds: float = 0.0
    media_seconds: float = 0.0
    iou: dict[str, float] = field(default_factory=dict)
    stages: dict[str, LatencyMeter] = field(
        default_factory=lambda: {stage: LatencyMeter() for stage in STAGES}
    )
    warnings: list[str] = field(default_factory=list)
    lost: int = 0
    dropped: int = 0
    signal: int = 0
    events: list[Event] = field(default_factory=list)
    under_way: Event | None = None
    clips: list[Path] = field(default_factory=list)
    first: float = 0.0
    meter: RateMeter = field(default_factory=RateMeter)

    @property
    def rate(self) -> float:
        """Frames per second, over the last few frames."""
        return self.meter.rate

    def note(self, result: Labelled) -> None:
        """Count a finished frame and the duration of its stages."""
        self.first = result.frame.seconds if self.frames == 0 else self.first
        self.frames += 1
        self.dropped = result.frame.index + 1 - self.frames
        self.inferred += result.inferred
        if result.follower:
            self.note_event(result.lane.keeping)
        for stage, taken in result.seconds.items():
            self.stages[stage].add(taken)

    def note_event(self, keeping: LaneKeeping) -> None:
        """Note an event that ended with a frame, or is under way."""
        self.under_way = keeping.under_way
        if keeping.event:
            self.events.append(keeping.event)

    def take_losses(self, source: Source) -> None:
        """Record what `source` could not read; closes it."""
        source.close()
        self.lost = source.lost
        self.warnings = source.warnings + self.warnings
        if source.live and self.dropped:
            self.warnings.append(
                f"{self.dropped} frames of {source.name} are left out: they came too fast for this "
                "machine; a smaller model or --infer-every keeps up"
            )

    def take_output(self, sink: VideoSink | StillSink) -> None:
        """Note the finished file and what it could not keep."""
        self.output = sink.path
        self.warnings += sink.warnings

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or another signal ended it early."""
        return self.signal != 0

    @property
    def fps(self) -> float:
        """Frames per second, from the request of the first frame to the completed file."""
        return self.frames / self.seconds if self.seconds else 0.0


Progress = Callable[[Summary, int | None], None]
Show = Callable[[Frame], bool]


def annotate(
    given: str,
    segmenter: Segmenter,
    options: Options,
    progress: Progress = lambda summary, total: None,
    show: Show | None = None,
) -> Summary:
    """Label every frame of `given` (file, images, camera, URL) and write the outputs of `options`.

    `progress(summary, total)` is called after each labelled frame. `show(frame)` is called with the
    newest drawn frame; it returns True to stop. A signal (Ctrl-C, SIGTERM, SIGHUP) also stops, with
    playable files within three seconds; a second one ends the process at once.

    Raises:
        BadInput, BadVideo: the input or its labels cannot be used.
        BadOutput: a result cannot be written; unfinished files are removed.
    """
    summary = Summary()
    with ending.finishing() as end:
        try:
            with ExitStack() as stack:
                _run(given, segmenter, options, summary, progress, show, stack)
        except KeyboardInterrupt:
            # From the caller's own handler, or from a backend that waited for a server. The context
            # managers have completed their files.
            summary.signal = end.number or signal.SIGINT
        summary.signal = summary.signal or end.number
        if options.event_clips and summary.events:
            _cut_clips(given, summary, options.event_clips)
    summary.seconds = time.perf_counter() - summary.began
    return summary


def _run(
    given: str,
    segmenter: Segmenter,
    options: Options,
    summary: Summary,
    progress: Progress,
    show: Show | None,
    stack: ExitStack,
) -> None:
    """Open everything on `stack`, then pass the frames through the stages."""
    check_lane_options(options, segmenter.task)
    given = str(local_path(given) or given)
    threads = options.threads or share(usable_cores())
    stack.enter_context(opencv_threads(threads.opencv))
    cut = (options.start, options.end, options.max_frames)
    source = stack.enter_context(
        open_source(
            given,
            *cut,
            seconds=options.seconds,
            fps=options.fps,
            stream=options.stream,
            camera=options.camera,
            tap_sound=not is_file(given),
            threads=threads.decode,
        )
    )
    stack.callback(summary.take_losses, source)
    truth = None
    if options.labels:
        whole = (*cut, options.seconds) == (None,) * 4
        truth = open_truth(options.labels, source, segmenter.task, whole)
        stack.callback(truth.close)
    may_drop = _Late() if source.own_times else source.live
    frames = prefetch(timed(source), newest=may_drop)
    # Closed before the source, so that its thread does not read from a closed source, but after
    # the files, because a silent source may take long.
    stack.enter_context(closing(frames))
    summary.details = source.details
    summary.output = output_path(default_output(given, source), options.output)
    sink = _sink(given, source, summary.output, options, threads.encode)
    stack.callback(summary.take_output, sink)
    recorder = stack.enter_context(Recorder(summary.output))
    recorder.add(VideoOutput(sink))
    if options.masks:
        recorder.add(MaskOutput(options.masks, options.overwrite))
    if options.json:
        recorder.add(JsonLines(options.json, options.overwrite))
    for output in lane_outputs(options, options.overwrite):
        recorder.add(output)
    if options.event_clips:
        check_clip_folder(options.event_clips, options.overwrite)
    scores = ClipScores(truth, segmenter.task) if truth else None
    with_hud = options.hud and not isinstance(sink, StillSink)
    last = _LastStage(recorder, scores, options, summary, with_hud, segmenter.task)
    summary.began = time.perf_counter()
    stack.callback(last.finish, sink, source.name, segmenter.card)
    background = stack.enter_context(Background(last.consume))
    results = segment(frames, segmenter, options.infer_every, at_once=lambda: source.live)
    steps = steps_of(options, options.steps, sequence=options.fps is not None)
    for result in labelled(results, segmenter.task, source.first, steps):
        background.put(result)
        progress(summary, source.frames)
        if show and (newest := last.take_newest()) and show(newest):
            break


def _cut_clips(given: str, summary: Summary, folder: Path) -> None:
    """Cut a clip around each event out of the finished output."""
    events, output = summary.events, summary.output
    summary.clips = cut_event_clips(output, events, folder, summary.first, [given])
    if len(summary.clips) < len(events):
        summary.warnings.append(
            f"{len(summary.clips)} of {len(events)} event clips were cut before the end; "
            f"{output} has all"
        )


def output_path(default: Path, output: Path | None) -> Path:
    """The path of the output video; `output` (`-o`) may be a folder."""
    if output is None:
        return default
    return output / default.name if output.is_dir() else output


def _sink(
    given: str, source: Source, output: Path, options: Options, threads: int
) -> VideoSink | StillSink:
    if is_still(given):
        return StillSink(output, overwrite=options.overwrite, source=Path(given))
    return VideoSink.like(
        source,
        output,
        quality=options.quality,
        overwrite=options.overwrite,
        audio_from=given if is_file(given) else source.tap,
        threads=threads,
    )


class _Late:
    """Whether a frame of a live source is too late, by its own times, to wait for the network.

    A server may send a file in the same way: as fast as it is read.
    """

    def __init__(self) -> None:
        self._began: float | None = None

    def __call__(self, frame: Frame) -> bool:
        if self._began is None:
            self._began = time.monotonic() - frame.seconds
        return time.monotonic() - self._began - frame.seconds > LATE_SECONDS


class _LastStage:
    """Scores and writes results, in a separate thread, and updates the summary."""

    def __init__(
        self,
        recorder: Recorder,
        scores: ClipScores | None,
        options: Options,
        summary: Summary,
        with_hud: bool,
        task: Task,
    ) -> None:
        self.recorder, self.scores, self.summary = recorder, scores, summary
        self.every, self.with_hud = options.infer_every, with_hud
        # In place: the network is done with the frame, and nothing else needs the original.
        self.look = Look(options.alpha, in_place=True, birdseye=options.birdseye)
        self.newest: Frame | None = None
        self.kinds = FrameKinds(task)

    def consume(self, result: Labelled) -> None:
        """Score, draw and write one result."""
        if self.scores:
            result.iou = self.scores.score(result.frame, result.labels, result.number)
        self.summary.meter.tick()
        self.kinds.look(result.frame)
        if self.with_hud and (self.summary.frames % CHANGE_EVERY == 1 or self.summary.frames < 2):
            self.look = replace(self.look, lines=tuple(self._hud_lines(result)))
        result.look = self.look
        self.recorder.write(result)
        self.summary.note(result)
        self.newest = result.drawn

    def take_newest(self) -> Frame | None:
        """The newest drawn frame; None if it was already taken."""
        newest, self.newest = self.newest, None
        return newest

    def finish(self, sink: VideoSink | StillSink, name: str, card: ModelCard) -> None:
        """Complete the summary after the last frame of the source called `name`."""
        if isinstance(sink, VideoSink):
            self.summary.media_seconds = sink.seconds
        if self.summary.under_way:
            self.summary.events.append(self.summary.under_way)
        if self.scores:
            self.summary.iou = self.scores.total
        if said := mismatch(card, self.kinds.other, [name]):
            self.summary.warnings.append(said)

    def _hud_lines(self, result: Labelled) -> list[str]:
        infer = self.summary.stages["infer"].percentile(50)
        return hud.figures_as_lines(
            result.task,
            self.summary.rate,
            # The first frame is always inferred.
            result.seconds["infer"] if math.isnan(infer) else infer,
            every=self.every,
            iou=self.scores.recent if self.scores else None,
            measures=result.measures if result.task.things else None,
        )


def check_options(inputs: list[str], options: Options) -> None:
    """Check the options before anything is opened.

    Raises:
        BadInput: a number out of range, or options that do not go together.
        BadOutput: a result would replace something that is read, or another result.
    """
    if not 0 <= options.alpha <= 1:
        raise BadInput(f"--alpha {options.alpha}: wanted 0 (invisible) to 1 (opaque)")
    if options.seconds is not None and not options.seconds > 0:
        raise BadInput(f"--seconds {options.seconds}: wanted more than 0")
    check_infer_every(options.infer_every)
    check_lane_options(options)
    if len(inputs) > 1:
        for name in ("labels", "masks", "json", "events", "event_clips", "lines_output"):
            if getattr(options, name):
                flag = name.replace("_", "-")
                raise BadInput(f"--{flag} takes one input, got {len(inputs)}: run them singly")
        if options.output and not options.output.is_dir():
            raise BadInput(f"-o {options.output}: with several inputs, name an existing folder")
    _check_places(inputs, options)


def _check_places(inputs: list[str], options: Options) -> None:
    """Raise `BadOutput` if a result would replace something that is read, or another result."""
    local = [str(path) for path in map(local_path, inputs) if path is not None]
    files = [output_path(output_beside(path), options.output) for path in local if _is_there(path)]
    files += [path for path in (options.json, options.events, options.lines_output) if path]
    read = [str(path) for path in (options.labels, options.calibration) if path]
    check_apart(local + read, files, options.masks)


def _is_there(given: str) -> bool:
    """Whether an input has files; if not, opening it raises the error."""
    return any(path.exists() for path in files_read(given))
