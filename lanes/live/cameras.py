"""Several cameras at once: each is played by a `Live` of its own, and all share one engine.

A camera that is lost is opened again, one that cannot be opened at first is tried again; the others
do not notice. The engine labels the cameras' newest frames in turn. A server (`backends/kserve.py`)
may batch them.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lanes.errors import BadConfig, BadInput
from lanes.live.options import LiveOptions
from lanes.live.player import Live
from lanes.live.snapshot import ENDS, Snapshot
from lanes.pipeline.lane_options import check_lane_options
from lanes.pipeline.stages import check_infer_every
from lanes.segmenter import Segmenter
from lanes.video.opening import is_live
from lanes.video.output_files import CsvFile, check_new

RETRY_SECONDS = 5.0
"""Time between two attempts to open a camera that has not been there yet."""
COLUMNS = ("camera", "state", "frames", "dropped", "fps", "p50_ms", "p95_ms", "losses", "error")


@dataclass(frozen=True)
class Camera:
    """A table of CAMERAS.toml: its name, what to open, and what to write about it.

    `source` is as for `lanes video`; a file is played at its own rate. `record`, `json` and
    `events` write NAME.mp4, NAME.jsonl and NAME_events.csv. The rest is as in `LiveOptions`.
    """

    name: str
    source: str
    record: bool = False
    json: bool = False
    events: bool = False
    lines: bool = True
    smooth: bool = False
    birdseye: bool = False
    calibration: Path | None = None
    infer_every: int = 1

    def options(self, folder: Path | None, overwrite: bool) -> LiveOptions:
        """How to play it, with its files in `folder`."""

        def file(wanted: bool, end: str) -> Path | None:
            return folder / f"{self.name}{end}" if wanted and folder else None

        return LiveOptions(
            video=file(self.record, ".mp4"),
            json=file(self.json, ".jsonl"),
            events=file(self.events, "_events.csv"),
            overwrite=overwrite,
            real_time=True,
            consistency=False,
            lines=self.lines,
            smooth=self.smooth,
            birdseye=self.birdseye,
            calibration=self.calibration,
            infer_every=self.infer_every,
        )


def read_cameras(path: Path) -> list[Camera]:
    """The cameras of a TOML file, one table each; relative calibrations start at the file.

    Raises:
        BadConfig: the file cannot be read, has no camera, or one has a wrong name, key or value.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path} cannot be read as TOML ({error})") from error
    if not tables:
        raise BadConfig(f'{path} has no camera; wanted a table each: [gate], source = "rtsp://..."')
    return [_camera(path, name, values) for name, values in tables.items()]


def _camera(path: Path, name: str, values: Any) -> Camera:
    kinds = {field.name: field.type for field in fields(Camera) if field.name != "name"}
    if not isinstance(values, dict) or not re.fullmatch(r"[\w-]+", name):
        raise BadConfig(
            f"{path}: {name!r} is no camera; wanted a table [NAME] of letters and digits"
        )
    if unknown := sorted(values.keys() - kinds.keys()):
        raise BadConfig(f"{path}: {name} has {unknown[0]!r}; wanted only {', '.join(kinds)}")
    wanted = {"str": str, "bool": bool, "int": int, "Path | None": str}
    for key, value in values.items():
        kind = wanted[str(kinds[key])]
        if type(value) is not kind:
            raise BadConfig(f"{path}: {name}.{key} is {value!r}; wanted {kind.__name__}")
    if not values.get("source", "").strip():
        raise BadConfig(f"{path}: {name} has no source: give a URL, a camera's number or a file")
    if "calibration" in values:
        values["calibration"] = path.parent / values["calibration"]
    return Camera(name, **values)


class Cameras:
    """Plays `cameras` with one `segmenter` until `close`; files go to `folder`.

    Raises:
        BadInput: options that do not go together, or a camera writes files and there is no folder.
        BadOutput: a file exists and `overwrite` is false.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        segmenter: Segmenter,
        folder: Path | None = None,
        overwrite: bool = False,
    ) -> None:
        options = [camera.options(folder, overwrite) for camera in cameras]
        for camera, its in zip(cameras, options, strict=True):
            if folder is None and (camera.record or camera.json or camera.events):
                raise BadInput(f"{camera.name} writes files: name a folder for them with -o")
            check_lane_options(its, segmenter.task)
            check_infer_every(its.infer_every)
            for path in (its.video, its.json, its.events):
                if path:
                    check_new(path, overwrite)
        shared = segmenter.shared()
        self._watched = [
            _Watched(camera, its, shared) for camera, its in zip(cameras, options, strict=True)
        ]

    def tend(self) -> bool:
        """Open again what could not be opened; returns whether any camera may give more frames."""
        return any([one.tend() for one in self._watched])

    def rows(self) -> list[dict[str, Any]]:
        """The figures of each camera, by `COLUMNS`: since the start, latency of the last frames."""
        return [one.row() for one in self._watched]

    def news(self) -> Iterator[str]:
        """What was lost and found since the last call, a sentence each."""
        for one in self._watched:
            yield from one.news()

    def write_table(self, path: Path, overwrite: bool) -> None:
        """Write `rows` as CSV; raises `BadOutput`."""
        with CsvFile(path, COLUMNS, overwrite) as table:
            table.write(self.rows())

    def close(self) -> None:
        """Complete all files and end all threads."""
        for one in self._watched:
            one.live.stop()
        for one in self._watched:
            one.live.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class _Watched:
    """One camera, and its attempts to open it."""

    def __init__(self, camera: Camera, options: LiveOptions, segmenter: Segmenter) -> None:
        self.camera, self.options, self.segmenter = camera, options, segmenter
        self.live = Live(camera.source, segmenter, options)
        self.reported = 0
        self.reason = ""
        self.again = 0.0

    def tend(self) -> bool:
        now = self.live.snapshot(latency=False)
        if not self._absent(now):
            return now.state not in ENDS
        if not self.again:
            self.again = time.monotonic() + RETRY_SECONDS
        elif time.monotonic() > self.again:
            self.again = 0.0
            self.live.close()
            self.live = Live(self.camera.source, self.segmenter, self.options)
        return True

    def _absent(self, now: Snapshot) -> bool:
        """Whether it is a camera or a stream that could not be opened yet."""
        opened = now.frames or not isinstance(now.error, BadInput)
        return not opened and is_live(self.camera.source)

    def row(self) -> dict[str, Any]:
        now = self.live.snapshot()
        total = now.latency.get("total")
        return {
            "camera": self.camera.name,
            "state": "lost" if self._absent(now) else now.state,
            "frames": now.frames,
            "dropped": now.dropped,
            "fps": round(now.fps, 1),
            "p50_ms": round(total.p50 * 1e3, 1) if total else "",
            "p95_ms": round(total.p95 * 1e3, 1) if total else "",
            "losses": self.live.losses,
            "error": str(now.error or ""),
        }

    def news(self) -> Iterator[str]:
        now = self.live.snapshot(latency=False)
        fresh = now.noticed - self.reported
        self.reported = now.noticed
        for notice in now.notices[-fresh:] if fresh > 0 else ():
            yield f"{self.camera.name}: {notice}"
        reason = str(now.error or "")
        if reason and reason != self.reason:
            yield f"{self.camera.name}: {reason}"
        self.reason = reason or self.reason
