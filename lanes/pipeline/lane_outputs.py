"""Outputs about lanes: JSON records, the table of events, benchmark formats, clips of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from lanes.errors import BadOutput
from lanes.lines.departure import Event
from lanes.lines.files import TUSIMPLE_ROWS, culane_text, tusimple_json
from lanes.lines.follow import Lane
from lanes.lines.lane_lines import CERTAIN
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.lane_options import LaneFiles
from lanes.pipeline.recorder import Output
from lanes.system import ending
from lanes.system.atomic import make_folder
from lanes.types import LaneLine
from lanes.video.clip import cut_clip
from lanes.video.output_files import CsvFile, TextFile, write_text
from lanes.video.places import FORMATS, check_apart

EVENT_COLUMNS = ("start", "end", "side", "kind", "depth")
POINTS_EVERY = 4
"""A line in JSON has every fourth of its points, and its last."""
CLIPS = "clips"
"""The folder in TuSimple's root that holds the images."""
BEFORE, AFTER = 3.0, 2.0
"""Seconds of a clip before and after an event."""
TO_COPY = 1.0
"""After a signal, no clip is begun in the last so many seconds."""


def lane_outputs(options: LaneFiles, overwrite: bool) -> Iterator[Output]:
    """The files that the options ask for, opened one by one; raises `BadOutput`."""
    if options.events:
        yield EventTable(options.events, overwrite)
    if options.lines_output and options.lines_format == "tusimple":
        yield TuSimpleLines(options.lines_output, overwrite)
    elif options.lines_output:
        yield CulaneLines(options.lines_output, overwrite)


def lane_record(lane: Lane) -> dict[str, Any]:
    """What a frame's JSON object says of the lane; None for what is not known."""
    position, keeping = lane.position, lane.keeping
    record: dict[str, Any] = {
        "lines": [_line_record(line) for line in lane.lines],
        "lane": {
            "state": keeping.state,
            "offset": _rounded(position.offset),
            "whole": position.whole,
            "bend": position.bend,
            "drift": _rounded(keeping.drift),
            "offset_m": _rounded(position.offset_m),
            "width_m": _rounded(position.lane_width_m),
            "heading_rad": _rounded(position.heading),
            "curvature_per_m": _rounded(position.curvature, 7),
            "crossing_s": _rounded(keeping.crossing),
        },
    }
    if lane.event:
        record["event"] = event_record(lane.event)
    return record


def event_record(event: Event) -> dict[str, Any]:
    """An event by `EVENT_COLUMNS`: seconds of the video, and lane widths."""
    return {
        "start": round(event.start, 3),
        "end": round(event.end, 3),
        "side": event.side,
        "kind": event.kind,
        "depth": _rounded(event.depth),
    }


def _line_record(line: LaneLine) -> dict[str, Any]:
    points = [*line.points[:-1:POINTS_EVERY].tolist(), line.points[-1].tolist()]
    return {
        "side": line.side,
        "kind": line.kind,
        "colour": line.colour,
        "confidence": _rounded(line.confidence),
        "track": line.track,
        "points": [[round(x, 1), round(y, 1)] for x, y in points],
    }


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(float(value), digits)


class EventTable:
    """Writes a CSV row per event, when it ends, or the video does."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        """Open the file and write the column names; raises `BadOutput`."""
        self._table = CsvFile(path, EVENT_COLUMNS, overwrite)
        self._under_way: Event | None = None

    def write(self, labelled: Labelled) -> None:
        """Write the frame's event, if any; raises `BadOutput`."""
        if labelled.lane.event:
            self._table.write([event_record(labelled.lane.event)])
        self._under_way = labelled.lane.keeping.under_way

    def __enter__(self) -> Self:
        self._table.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._under_way and (kind is None or issubclass(kind, KeyboardInterrupt)):
            self._table.write([event_record(self._under_way)])
        self._table.__exit__(kind, error, tb)


class TuSimpleLines(TextFile):
    """Writes TuSimple's JSON lines.

    `raw_file` is an image's path from the benchmark's folder `clips` on, or else its file name; the
    number of a video's frame. In frames of another size than 1280x720, the benchmark's rows are
    scaled to the height.
    """

    def write(self, labelled: Labelled) -> None:
        """Write one frame's certain lines; raises `BadOutput`."""
        rows = np.rint(TUSIMPLE_ROWS * labelled.frame.size[0] / 720)
        milliseconds = 1e3 * sum(
            labelled.seconds.get(stage, 0.0) for stage in ("resize", "infer", "carry", "lines")
        )
        text = tusimple_json(_certain(labelled.lines), _raw_file(labelled), rows, milliseconds)
        self.write_text(text + "\n")


class CulaneLines:
    """Writes CULane's `NAME.lines.txt` for each frame into a folder."""

    def __init__(self, folder: Path, overwrite: bool) -> None:
        """Create `folder`; raises `BadOutput` if it has such files and `overwrite` is false."""
        self.folder = folder
        if not overwrite and folder.is_dir() and any(folder.glob("*.lines.txt")):
            raise BadOutput(
                f"{folder} already has .lines.txt files: --overwrite, or choose another folder"
            )
        make_folder(folder)

    def write(self, labelled: Labelled) -> None:
        """Write one frame's certain lines; raises `BadOutput`."""
        path = self.folder / f"{_name(labelled)}.lines.txt"
        write_text(path, culane_text(_certain(labelled.lines)), durable=False)


def _certain(lines: Sequence[LaneLine]) -> list[LaneLine]:
    return [line for line in lines if line.confidence >= CERTAIN]


def _raw_file(labelled: Labelled) -> str:
    path = labelled.frame.path
    if path is None:
        return _name(labelled)
    parts = path.absolute().parts
    return "/".join(parts[parts.index(CLIPS) :]) if CLIPS in parts else path.name


def _name(labelled: Labelled) -> str:
    return labelled.frame.name or f"{labelled.number:06d}"


def check_clip_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder for clips; raises `BadOutput` if it has videos and `overwrite` is false."""
    make_folder(folder)
    if not overwrite and any(path.suffix.lower() in FORMATS for path in folder.iterdir()):
        raise BadOutput(f"{folder} already has videos: --overwrite, or choose another folder")


def cut_event_clips(
    video: Path, events: Sequence[Event], folder: Path, first: float, read: Sequence[str | Path]
) -> list[Path]:
    """Copy a few seconds of `video` around each event into `folder`, nothing encoded again.

    `first` is the time of the video's first frame on the events' clock. `read` are the inputs,
    which no clip replaces. Returns the clips. After a signal there may be fewer than events.

    Raises:
        BadOutput: a clip cannot be written.
    """
    clips = []
    for event in events:
        if ending.seconds_left() < TO_COPY:
            break
        name = f"{video.stem}_{event.start:07.1f}s_{event.kind.replace(' ', '_')}_{event.side}"
        clip = folder / f"{name}{video.suffix}"
        check_apart([video, *read], [clip])
        start, end = event.start - first - BEFORE, event.end - first + AFTER
        cut_clip(video, clip, max(start, 0.0), end)
        clips.append(clip)
    return clips
