"""Groups of options that commands share: dataclasses whose fields become options.

Typer has no groups: `grouped` shows it one option per field, in a panel of `--help` per group.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_type_hints

import typer

from lanes.cli.options import (
    AlphaOption,
    AudioOption,
    BackendOption,
    BirdseyeOption,
    CalibrationOption,
    CameraFormatOption,
    CameraFpsOption,
    CameraSizeOption,
    DeviceOption,
    HudOption,
    LinesFormat,
    LinesOption,
    OverwriteOption,
    PrecisionOption,
    Quality,
    QualityOption,
    SmoothOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from lanes.segmenter import Segmenter
    from lanes.video import CameraMode


@dataclass(frozen=True)
class Engine:
    """The engine that runs a model."""

    PANEL: ClassVar = "Engine"

    backend: BackendOption = "auto"
    precision: PrecisionOption = "auto"
    device: DeviceOption = None
    threads: ThreadsOption = None

    def load(self, model: str, hint: str = "latency") -> Segmenter:
        """Load `model` into it; see `lanes.segmenter.load`."""
        from lanes import segmenter

        return segmenter.load(model, self.backend, self.precision, self.device, self.threads, hint)


@dataclass(frozen=True)
class Camera:
    """The mode to request of a camera, and its sound."""

    PANEL: ClassVar = "Camera"

    camera_size: CameraSizeOption = None
    camera_fps: CameraFpsOption = None
    camera_format: CameraFormatOption = None
    audio: AudioOption = None

    def mode(self) -> CameraMode | None:
        """The mode; None if no option is given."""
        from lanes.video import CameraMode

        mode = CameraMode(self.camera_size, self.camera_fps, self.camera_format, self.audio)
        return None if mode == CameraMode() else mode


@dataclass(frozen=True)
class VideoInput:
    """The part of a video to label, and its ground truth."""

    PANEL: ClassVar = "Input"

    labels: Annotated[
        Path | None,
        typer.Option(
            help="Ground truth: a folder of label images or a label video; prints IoU per class."
        ),
    ] = None
    start: Annotated[float | None, typer.Option(help="Start at this second of the input.")] = None
    end: Annotated[float | None, typer.Option(help="End at this second of the input.")] = None
    max_frames: Annotated[int | None, typer.Option(help="Stop after this many frames.")] = None
    seconds: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (cameras and streams).")
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second of images, and of streams without times."),
    ] = None
    stream: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of the video stream, from 0, if there are several."),
    ] = None


@dataclass(frozen=True)
class VideoOutput:
    """The files to write, and how the frames look."""

    PANEL: ClassVar = "Output"

    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File (or folder) to write; default: next to the input."
        ),
    ] = None
    masks: Annotated[
        Path | None, typer.Option(help="Folder for 8-bit PNG label maps at the input's size.")
    ] = None
    json: Annotated[
        Path | None,
        typer.Option(help="File for one JSON object per frame: shares, counts, IoU, ms."),
    ] = None
    quality: QualityOption = Quality.fast
    alpha: AlphaOption = 0.5
    hud: HudOption = True
    overwrite: OverwriteOption = False


@dataclass(frozen=True)
class LaneLines:
    """How to look for lane lines."""

    PANEL: ClassVar = "Lane lines"

    lines: LinesOption = True
    calibration: CalibrationOption = None
    birdseye: BirdseyeOption = False
    smooth: SmoothOption = False


@dataclass(frozen=True)
class LaneLinesOfMany(LaneLines):
    """How to look for lane lines, and what to write about them into each input's folder."""

    PANEL: ClassVar = LaneLines.PANEL

    events: Annotated[
        bool, typer.Option("--events", help="Also write a CSV file of departures and lane changes.")
    ] = False
    event_clips: Annotated[
        bool,
        typer.Option("--event-clips", help="Also write a few seconds of video around each."),
    ] = False
    lines_format: Annotated[
        LinesFormat | None, typer.Option(help="Also write the lines in this benchmark's format.")
    ] = None


@dataclass(frozen=True)
class LaneLinesToFiles(LaneLines):
    """How to look for lane lines, and the files to write about them."""

    PANEL: ClassVar = LaneLines.PANEL

    events: Annotated[
        Path | None, typer.Option(help="CSV file of departures and lane changes.")
    ] = None
    event_clips: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for a few seconds of video around each of them."),
    ] = None
    lines_format: Annotated[
        LinesFormat | None,
        typer.Option(help="Also write the lines in this benchmark's format, to --lines-output."),
    ] = None
    lines_output: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File (tusimple) or folder (culane) for the lines."),
    ] = None


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The `command` as Typer reads it: each group among its parameters becomes its fields."""
    parameters: list[Any] = list(inspect.signature(command, eval_str=True).parameters.values())
    options = [option for parameter in parameters for option in _options(parameter)]
    groups: dict[str, Any] = {
        p.name: p.annotation for p in parameters if is_dataclass(p.annotation)
    }

    def ungrouped(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    ungrouped.__name__, ungrouped.__doc__ = command.__name__, command.__doc__
    ungrouped.__annotations__ = {option.name: option.annotation for option in options}
    vars(ungrouped)["__signature__"] = inspect.Signature(options)
    return ungrouped


def _options(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """The fields of a group as parameters, in the group's panel; another parameter as it is."""
    parameter = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    group = parameter.annotation
    if not is_dataclass(group):
        yield parameter
        return
    hints, panel = get_type_hints(group, include_extras=True), vars(group)["PANEL"]
    for field in fields(group):
        kind, option = get_args(hints[field.name])
        option = copy(option)
        option.rich_help_panel = panel
        yield parameter.replace(
            name=field.name, default=field.default, annotation=Annotated[kind, option]
        )
