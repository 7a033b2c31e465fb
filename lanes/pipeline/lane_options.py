"""Options of lane lines, which videos and live inputs share, and the steps that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from lanes.errors import BadInput
from lanes.lines.camera import read_calibration
from lanes.pipeline.follow_lane import FollowLane
from lanes.pipeline.labelled import Step
from lanes.pipeline.smooth import Smooth
from lanes.types import Task

LinesFormat: TypeAlias = Literal["tusimple", "culane"]


@dataclass(frozen=True, kw_only=True)
class LaneOptions:
    """How to look for lane lines, if the task has them.

    `lines` finds and draws them. `calibration` is a file that describes the camera
    (`lanes.lines.camera.read_calibration`), for metres. `birdseye` adds the road from above to the
    picture. `smooth` steadies the labels along optical flow.
    """

    lines: bool = True
    calibration: Path | None = None
    birdseye: bool = False
    smooth: bool = False


@dataclass(frozen=True, kw_only=True)
class LaneFiles(LaneOptions):
    """The files to write about lanes.

    `events` is a CSV table of departures and lane changes; `event_clips` a folder for a few seconds
    of the output around each. `lines_output` is written in the benchmark format `lines_format`: a
    file for "tusimple", a folder for "culane".
    """

    events: Path | None = None
    event_clips: Path | None = None
    lines_format: LinesFormat | None = None
    lines_output: Path | None = None


NEED_LINES = ("calibration", "birdseye", "events", "event_clips", "lines_format", "lines_output")


def check_lane_options(options: LaneOptions, task: Task | None = None) -> None:
    """Check the options, and that the `task` has lines if one of them needs lines.

    Raises:
        BadConfig: the calibration cannot be read, or has a wrong value.
        BadInput: options that do not go together.
    """
    needing = [name for name in NEED_LINES if getattr(options, name, None)]
    flag = f"--{needing[0].replace('_', '-')}" if needing else ""
    if needing and not options.lines:
        raise BadInput(f"{flag} needs the lane lines: leave out --no-lines, or {flag}")
    if needing and task and not task.lines:
        raise BadInput(
            f"{flag} needs lane lines, which the task {task.name!r} has not: choose a model of the "
            f"task 'lanes', or leave {flag} out"
        )
    if options.calibration:
        read_calibration(options.calibration)
    if isinstance(options, LaneFiles) and bool(options.lines_format) != bool(options.lines_output):
        raise BadInput(
            "--lines-format and --lines-output go together: a format (tusimple, culane), and the "
            "file or folder to write"
        )


def steps_of(options: LaneOptions, steps: Sequence[Step], sequence: bool = False) -> list[Step]:
    """All steps of a run, in order: smoothing, the given `steps`, the lane.

    Each run needs its own, as they remember frames. `sequence` is as for `LaneFollower`.
    """
    made: list[Step] = [Smooth()] if options.smooth else []
    made += steps
    if options.lines:
        camera = read_calibration(options.calibration) if options.calibration else None
        made.append(FollowLane(camera, sequence))
    return made
