"""Implements `lanes video`: label each input, show progress, print a summary."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lanes import backends
from lanes.assets import DEMO
from lanes.cli.first_use import warn_once
from lanes.cli.groups import Engine
from lanes.errors import INCOMPLETE, WRONG_INPUT, LanesError, MissingDependency, ended_by
from lanes.lines.departure import Event
from lanes.pipeline.label_video import Options, Show, Summary, annotate, check_options
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.progress import progress
from lanes.types import Frame
from lanes.video.images import is_image, videos_in
from lanes.video.opening import is_live

WINDOW = "lanes"
NO_NETWORK = "classical"
"""The backend that does not use the model's weights."""
FILES_HINT = backends.THROUGHPUT
"""The performance hint for files, where no frame may be dropped. On 2 cores, with the libraries'
default threads, it gave 17 % more frames per second at 1280x720 and 13 % more at 1920x1080."""


def run_video(
    inputs: list[str],
    model: str,
    engine: Engine,
    options: Options,
    show: bool,
    quiet: bool,
) -> int:
    """Label each of `inputs` and print its summary; returns the exit code.

    If one of several inputs fails, the others are still processed; the highest code is returned.
    """
    console = Console(quiet=quiet, emoji=False)
    inputs = [each for given in inputs for each in _videos_of(given)]
    check_options(inputs, options)
    window = _window() if show else None
    code = 0
    hint = backends.LATENCY if any(map(is_live, inputs)) else FILES_HINT
    with engine.load(model, hint) as loaded:
        if not quiet and loaded.backend.name != NO_NETWORK:
            warn_once(loaded.card)
        for given in inputs:
            try:
                clip, its_options = _clip_of(given, loaded, options, console)
                # Also while the summary is printed, a second signal ends the process.
                with ending.finishing() as end:
                    summary = _annotate_one(clip, loaded, its_options, window, console)
                    _report(console, given, loaded, summary)
            except LanesError as error:
                if len(inputs) == 1:
                    raise
                print(f"error: {given}: {error}", file=sys.stderr)
                code = WRONG_INPUT
                continue
            if number := summary.signal or end.number:
                return ended_by(number)
            code = max(code, INCOMPLETE if summary.lost else 0)
    return code


def _videos_of(given: str) -> list[str]:
    """The videos of a folder that holds videos and no images; else the input itself.

    Videos made by an earlier run on the folder are left out.
    """
    folder = Path(given).expanduser()
    if not given.strip() or not folder.is_dir() or any(map(is_image, folder.iterdir())):
        return [given]
    videos = [path for path in videos_in(folder) if not path.stem.endswith("_lanes")]
    return [str(path) for path in videos] or [given]


def _clip_of(
    given: str, loaded: Segmenter, options: Options, console: Console
) -> tuple[str, Options]:
    """The input to open and its options; renders the demo."""
    if given != DEMO:
        return given, options
    # Imported here, because only the demo needs the renderer.
    from lanes.pipeline.demo_clip import demo_files

    with progress(console, "rendering the demo, once") as tick:
        clip, labels = demo_files(lambda done, total: tick(done, total, ""), loaded.card.task)
    options = demo_options(options)
    return str(clip), replace(options, labels=options.labels or labels)


def _annotate_one(
    given: str, loaded: Segmenter, options: Options, window: Show | None, console: Console
) -> Summary:
    with progress(console, given) as tick:
        return annotate(
            given,
            loaded,
            options,
            lambda summary, total: tick(summary.frames, total, f"{summary.rate:.1f} FPS"),
            window,
        )


def demo_options(options: Options) -> Options:
    """The demo writes demo_lanes.mp4 to the current folder, and overwrites an earlier one."""
    if options.output:
        return options
    return replace(options, output=Path("demo_lanes.mp4"), overwrite=True)


def _report(console: Console, given: str, loaded: Segmenter, summary: Summary) -> None:
    """Print the summary, and the warnings to stderr."""
    _print_summary(console, given, loaded, summary)
    for warning in summary.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _print_summary(console: Console, given: str, loaded: Segmenter, summary: Summary) -> None:
    backend = loaded.backend
    carried = summary.frames - summary.inferred
    note = f" ({summary.inferred} inferred, {carried} by optical flow)" if carried else ""
    console.print(
        f"{escape(str(summary.output))}: {summary.frames} frames{note} in {summary.seconds:.1f} s, "
        f"[bold]{summary.fps:.1f} FPS[/] ({summary.media_seconds / summary.seconds:.2f} x real "
        f"time), {escape(loaded.card.name)} on {backend.name} {backend.precision}",
        soft_wrap=True,
        highlight=False,
    )
    if summary.details:
        console.print(f"{escape(given)}: {escape(summary.details)}", highlight=False)
    table = Table("stage", "p50 ms", "p95 ms", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, meter in summary.stages.items():
        if meter.count:
            p50, p95 = (meter.percentile(p) * 1e3 for p in (50, 95))
            table.add_row(stage, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)
    if summary.events:
        console.print(_event_table(summary.events))
    if summary.iou:
        mean = math.fsum(summary.iou.values()) / len(summary.iou)
        classes = ", ".join(f"{name} {value:.3f}" for name, value in summary.iou.items())
        line = f"IoU against the labels: {classes}; mean {mean:.3f}"
        console.print(line, highlight=False, soft_wrap=True)


def _event_table(events: Sequence[Event]) -> Table:
    """Departures and lane changes: times in seconds, depths in lane widths."""
    table = Table("event", "side", "from s", "to s", "depth", title_justify="left")
    for event in events:
        depth = "" if event.depth is None else f"{event.depth:.2f}"
        table.add_row(event.kind, event.side, f"{event.start:.1f}", f"{event.end:.1f}", depth)
    return table


def _window() -> Show:
    """A function that shows a frame in a window; it returns True if q or Esc was pressed."""
    # Imported here: it takes 20 ms, and few runs show a window.
    from lanes.live.screen import no_window_cure, why_no_window

    if why := why_no_window():
        raise MissingDependency(f"--show cannot open a window: {why}; {no_window_cure(why)}")

    def show(frame: Frame) -> bool:
        cv2.imshow(WINDOW, frame.bgr)
        return cv2.waitKey(1) & 0xFF in (ord("q"), 27)

    return show
