"""Outputs of a pipeline: objects with `write(labelled)` for the video, masks and JSON lines.

An output opens its file when it is created. As a context manager it completes the file at the end
of the block, also after Ctrl-C; any other error removes the file.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from lanes.errors import BadOutput
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.lane_outputs import lane_record
from lanes.system.atomic import make_folder
from lanes.video import VideoSink
from lanes.video.output_files import StillSink, TextFile, write_image


class VideoOutput:
    """Writes the drawn frames as a video or a single image.

    `write` records the duration of its stages, "overlay" and "encode". Frames keep their times; one
    with `Labelled.cut` directly follows the last. Without any frame no file is written, which is an
    error if `needs_frames`.
    """

    def __init__(self, sink: VideoSink | StillSink, needs_frames: bool = True) -> None:
        self.sink, self._needs_frames = sink, needs_frames
        self._frames = 0

    def write(self, labelled: Labelled) -> None:
        """Draw the frame and write it; raises `BadOutput`."""
        began = time.perf_counter()
        drawn = labelled.drawn
        drawn_at = time.perf_counter()
        self.sink.write(drawn, labelled.cut)
        labelled.seconds["overlay"] = drawn_at - began
        labelled.seconds["encode"] = time.perf_counter() - drawn_at
        self._frames += 1

    def __enter__(self) -> Self:
        self.sink.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if isinstance(self.sink, VideoSink) and not (self._frames or self._needs_frames):
            self.sink.abort()
        self.sink.__exit__(kind, error, tb)


class MaskOutput:
    """Writes label ids as 8-bit PNGs at the frames' size, one per frame."""

    def __init__(self, folder: Path, overwrite: bool) -> None:
        """Create `folder`; raises `BadOutput` if it has PNGs and `overwrite` is false."""
        self.folder = folder
        if not overwrite and folder.is_dir() and any(folder.glob("*.png")):
            raise BadOutput(f"{folder} already has PNGs: --overwrite, or choose another folder")
        make_folder(folder)

    def write(self, labelled: Labelled) -> None:
        """Write the labels under the frame's name or number; raises `BadOutput`."""
        name = labelled.frame.name or f"{labelled.number:06d}"
        path = self.folder / f"{name}.png"
        write_image(path, labelled.labels, [cv2.IMWRITE_PNG_COMPRESSION, 1])


class JsonLines(TextFile):
    """Writes one JSON object per line, one line per frame; see `frame_record`."""

    def write(self, labelled: Labelled) -> None:
        """Write one line; raises `BadOutput`."""
        self.write_text(json.dumps(frame_record(labelled)) + "\n")


def frame_record(labelled: Labelled) -> dict[str, Any]:
    """The JSON object of a frame."""
    counts = np.bincount(labelled.network_labels.ravel(), minlength=len(labelled.task.classes))
    shares = counts / labelled.network_labels.size
    record: dict[str, Any] = {
        "index": labelled.number,
        "time": round(labelled.frame.seconds, 6),
        "inferred": labelled.inferred,
        "shares": {
            name: round(float(share), 6)
            for name, share in zip(labelled.task.class_names, shares, strict=True)
        },
        "ms": {stage: round(taken * 1e3, 3) for stage, taken in labelled.seconds.items()},
    }
    if labelled.follower:
        record |= lane_record(labelled.lane)
    if labelled.task.things:
        record["measures"] = {name: round(v, 6) for name, v in labelled.measures.items()}
    if labelled.frame.name:
        record["name"] = labelled.frame.name
    if labelled.iou is not None:
        record["iou"] = {name: round(value, 6) for name, value in labelled.iou.items()}
    return record
