"""The main job: one input in, its video back with the labels drawn on it, and what else was asked.

Three threads overlap, with bounded queues between them: decoding; resizing and inference; drawing
and encoding. Memory does not grow with the clip: a dozen frames are held at a time (4 wait in each
queue, one is in each hand, the engine has its `depth`), 3 MB each at 1920x1080.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from lanes.draw import hud
from lanes.draw.overlay import ALPHA
from lanes.errors import BadInput, BadOutput
from lanes.metrics.clip_scores import ClipScores
from lanes.pipeline.labelled import Labelled, Look, Step, labelled
from lanes.pipeline.outputs import JsonLines, MaskFolder, VideoOutput
from lanes.pipeline.recorder import Recorder
from lanes.pipeline.stages import Background, check_infer_every, prefetch, segment, timed
from lanes.segmenter import Segmenter
from lanes.system.meters import LatencyMeter, RateMeter
from lanes.system.threads import Threads, opencv_threads, share, usable_cores
from lanes.types import Frame
from lanes.video import CameraMode, Quality, Source, VideoSink, open_source
from lanes.video.label_files import open_truth
from lanes.video.opening import is_url, without_scheme
from lanes.video.output_files import StillSink, default_output, is_still

STAGES = ("decode", "resize", "infer", "carry", "overlay", "encode")
CHANGE_EVERY = 10
"""The HUD's figures change every so many frames: figures that flicker cannot be read."""


@dataclass(frozen=True)
class Options:
    """What to do with an input; see `lanes-video --help`. `threads` None shares out the cores.

    `steps` change each result before it is drawn and written: see `lanes.pipeline.labelled`.
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
    """What came of an input. `iou` is by class name, pooled over all frames with truth.

    `details` are what a camera was set to. `inferred` of the `frames` were labelled by the network,
    the others' labels were carried.
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
    interrupted: bool = False
    meter: RateMeter = field(default_factory=RateMeter)

    @property
    def rate(self) -> float:
        """Frames a second of the last few frames."""
        return self.meter.rate

    def note(self, result: Labelled) -> None:
        """Count a finished frame and what its stages took."""
        self.frames += 1
        self.inferred += result.inferred
        for stage, taken in result.seconds.items():
            self.stages[stage].add(taken)

    def take_losses(self, source: Source) -> None:
        """Note what `source`, which is read no further, could not read."""
        source.close()
        self.lost = source.lost
        self.warnings = source.warnings + self.warnings

    @property
    def fps(self) -> float:
        """Frames a second from the first frame asked for to the finished file."""
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
    """Label every frame of `given` (file, images, camera, address) and write what `options` ask.

    `progress(summary, total)` is called after each frame that is under way; `show(frame)` with the
    newest drawn frame, and ends the job by True. Ctrl-C ends it too, with a playable file.

    Raises:
        BadInput, BadVideo: the input or its labels cannot be used.
        BadOutput: a result cannot be written; nothing half-written is left.
    """
    summary = Summary()
    try:
        with ExitStack() as stack:
            _run(given, segmenter, options, summary, progress, show, stack)
    except KeyboardInterrupt:
        # On its way here it made each context manager finish its file.
        summary.interrupted = True
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
    """Open everything on `stack`, then pass frame after frame through the stages."""
    given = without_scheme(given)
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
            tap_sound=not _is_file(given),
            threads=threads.decode,
        )
    )
    stack.callback(summary.take_losses, source)
    truth = None
    if options.labels:
        whole = (*cut, options.seconds) == (None,) * 4
        truth = open_truth(options.labels, source, segmenter.task, whole)
        stack.callback(truth.close)
    summary.details = source.details
    summary.output = output_path(given, source, options)
    recorder = stack.enter_context(Recorder(summary.output))
    sink = _sink(given, source, summary.output, options, threads.encode)
    recorder.add(VideoOutput(sink))
    if options.masks:
        recorder.add(MaskFolder(options.masks, options.overwrite))
    if options.json:
        recorder.add(JsonLines(options.json, options.overwrite))
    scores = ClipScores(truth, segmenter.task) if truth else None
    with_hud = options.hud and not isinstance(sink, StillSink)
    last = _LastStage(recorder, scores, options, summary, with_hud)
    summary.began = time.perf_counter()
    stack.callback(last.finish, sink)
    background = stack.enter_context(Background(last.consume))
    frames = prefetch(timed(source), newest=source.live)
    # Closed before the source is: its thread must not read from a source that is gone.
    frames = stack.enter_context(closing(frames))
    results = segment(frames, segmenter, options.infer_every, at_once=lambda: source.live)
    for result in labelled(results, segmenter.task, source.first, options.steps):
        background.put(result)
        progress(summary, source.frames)
        if show and (newest := last.take_newest()) and show(newest):
            break


def output_path(given: str, source: Source, options: Options) -> Path:
    """Where the annotated video goes; `-o` may name a folder."""
    default = default_output(given, source)
    if options.output is None:
        return default
    return options.output / default.name if options.output.is_dir() else options.output


def _sink(
    given: str, source: Source, output: Path, options: Options, threads: int
) -> VideoSink | StillSink:
    if is_still(given):
        return StillSink(output, overwrite=options.overwrite, source=Path(given))
    file = _is_file(given)
    if file and output.exists() and output.samefile(Path(given).expanduser()):
        raise BadOutput(f"{output} is the input itself; give the output another name")
    return VideoSink.like(
        source,
        output,
        quality=options.quality,
        overwrite=options.overwrite,
        audio_from=given if file else source.tap,
        threads=threads,
    )


def _is_file(given: str) -> bool:
    """Whether the input can be read once more for its sound; a pipe or stream cannot."""
    return not is_url(given) and Path(given).expanduser().is_file()


class _LastStage:
    """Scores and writes results, in a thread of its own, and notes them in the summary."""

    def __init__(
        self,
        recorder: Recorder,
        scores: ClipScores | None,
        options: Options,
        summary: Summary,
        with_hud: bool,
    ) -> None:
        self.recorder, self.scores, self.summary = recorder, scores, summary
        self.every, self.with_hud = options.infer_every, with_hud
        # In place: the network has seen the frame, and nobody else needs it as it was.
        self.look = Look(options.alpha, in_place=True)
        self.newest: Frame | None = None

    def consume(self, result: Labelled) -> None:
        """Score, draw and write one result."""
        if self.scores:
            result.iou = self.scores.score(result.frame, result.labels, result.number)
        self.summary.meter.tick()
        if self.with_hud and (self.summary.frames % CHANGE_EVERY == 1 or self.summary.frames < 2):
            self.look = replace(self.look, lines=tuple(self._hud_lines(result)))
        result.look = self.look
        self.recorder.write(result)
        self.summary.note(result)
        self.newest = result.drawn

    def take_newest(self) -> Frame | None:
        """The newest drawn frame, once."""
        newest, self.newest = self.newest, None
        return newest

    def finish(self, sink: VideoSink | StillSink) -> None:
        """Add to the summary what is known only after the last frame."""
        if isinstance(sink, VideoSink):
            self.summary.media_seconds = sink.seconds
        if self.scores:
            self.summary.iou = self.scores.total
        self.summary.warnings += sink.warnings

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
    """Raise `BadInput` for options that do not go together."""
    if not 0 <= options.alpha <= 1:
        raise BadInput(f"--alpha {options.alpha}: wanted 0 (invisible) to 1 (opaque)")
    if options.seconds is not None and not options.seconds > 0:
        raise BadInput(f"--seconds {options.seconds}: wanted more than 0")
    check_infer_every(options.infer_every)
    if len(inputs) > 1:
        for name in ("labels", "masks", "json"):
            if getattr(options, name):
                raise BadInput(f"--{name} goes with one input, got {len(inputs)}: run them singly")
        if options.output and not options.output.is_dir():
            raise BadInput(f"-o {options.output}: with {len(inputs)} inputs, name a folder that is")
