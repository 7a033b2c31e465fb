"""The truth of a clip: a folder of label images or a label video, one label map per frame."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from lanes.errors import BadInput
from lanes.images.read import read_mask
from lanes.types import IGNORE, Frame, LabelMap, Size, Task
from lanes.video import Source
from lanes.video.opening import open_file, video_stream

LOOKED_AT = 20
"""The number of label images whose ids are looked at before a clip begins."""


class Truth(Protocol):
    """Gives the labels frame by frame; `count` is the number of frames, None if unknown."""

    count: int | None

    def labels_of(self, frame: Frame, number: int) -> LabelMap:
        """Labels (H, W) at the frame's own size; `number` is its index in the whole input."""

    def close(self) -> None:
        """Release the labels."""


def open_truth(path: Path, source: Source, task: Task, whole: bool = True) -> Truth:
    """Open the labels of `source`: a folder of label images or a lossless label video.

    The caller must close them. `whole` means that the source is not cut, so there must be as many
    label maps as frames.

    Raises:
        BadInput: the labels are missing or unreadable, or their number differs from the frames'.
    """
    if not path.exists():
        raise BadInput(f"no labels {path}: give a folder of label images, or a label video")
    truth = LabelFolder(path, task) if path.is_dir() else LabelVideo(path, task)
    known = source.frames if source.frames_exact else None
    if whole and truth.count and known and truth.count != known:
        truth.close()
        raise BadInput(
            f"{path} holds {truth.count} label maps, {source.name} {known} frames: "
            "give one label map per frame, named like the frame or 000000.png"
        )
    return truth


class LabelFolder:
    """Label images of ids or palette indices, named like the image or by six-digit frame index."""

    def __init__(self, folder: Path, task: Task) -> None:
        """Find the label images in `folder`."""
        self.folder, self.task = folder, task
        self.paths = {p.stem: p for p in folder.glob("*.png")}
        self.count: int | None = len(self.paths)
        if not self.paths:
            raise BadInput(f"{folder} holds no PNG: give one label image per frame")
        self._check_meaning()

    def _check_meaning(self) -> None:
        """Refuse masks of 0 and 255, in which 255 is meant to be a class."""
        found: set[int] = set()
        for path in list(self.paths.values())[:LOOKED_AT]:
            found |= set(np.unique(read_mask(path)).tolist())
        if found == {0, IGNORE}:
            raise BadInput(
                f"{self.folder} holds only 0 and {IGNORE}, which means unknown: nothing could be "
                f"scored; save class ids, such as 1 for {self.task.class_names[1]}"
            )

    def labels_of(self, frame: Frame, number: int) -> LabelMap:
        """See `Truth`."""
        name = frame.name or f"{number:06d}"
        if name not in self.paths:
            raise BadInput(f"{self.folder} has no {name}.png with the labels of frame {number}")
        labels = read_mask(self.paths[name])
        if labels.ndim != 2 or labels.max(initial=0) > IGNORE:
            raise BadInput(
                f"{self.paths[name]} is not an 8-bit one-channel image; save label ids as 8-bit PNG"
            )
        return checked(labels.astype(np.uint8), frame.size, self.task, self.paths[name])

    def close(self) -> None:
        """Nothing to close; see `Truth`."""


class LabelVideo:
    """A lossless video with label ids as luma, such as FFV1 with grey pixels."""

    def __init__(self, path: Path, task: Task) -> None:
        """Open `path`."""
        self.path, self.task = path, task
        self.container = open_file(path)
        try:
            stream = video_stream(self.container, path)
        except BadInput:
            self.container.close()
            raise
        self.count = stream.frames or None
        stream.thread_type = "AUTO"
        self.frames = self.container.decode(stream)
        self.last = -1

    def close(self) -> None:
        """Close the file and end the decoder's threads; see `Truth`."""
        # Break the reference cycle with the generator, so that both are freed now.
        self.frames = iter(())
        self.container.close()

    def labels_of(self, frame: Frame, number: int) -> LabelMap:
        """See `Truth`."""
        # The source may start later, and a player in real time skips frames.
        skipped = number - self.last - 1
        self.last = number
        try:
            picture = next(islice(self.frames, skipped, None), None)
        except av.FFmpegError as error:
            raise BadInput(f"{self.path} is damaged at frame {number}: {error.strerror}") from error
        if picture is None:
            raise BadInput(f"{self.path} ends before frame {number}: give one label map per frame")
        return checked(luma(picture, self.path), frame.size, self.task, self.path)


def luma(picture: av.VideoFrame, path: Path) -> LabelMap:
    """The first plane (H, W) as stored; raises `BadInput` unless it is 8-bit luma."""
    kind = picture.format
    if not (kind.name.startswith(("gray", "yuv")) and kind.components[0].bits == 8):
        raise BadInput(
            f"{path} has {kind.name} pixels; wanted label ids as 8-bit luma: encode it as FFV1 "
            "with -pix_fmt gray"
        )
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.ascontiguousarray(rows[:, : plane.width])


def checked(labels: LabelMap, size: Size, task: Task, path: Path) -> LabelMap:
    """Return `labels` if they have `size` (height, width) and hold only ids of `task`.

    Classes added after a model was made count too; see `sayable`.
    """
    if labels.shape != size:
        got = f"{labels.shape[1]}x{labels.shape[0]}"
        raise BadInput(f"{path} is {got}, its frame {size[1]}x{size[0]}: resize one of them")
    highest = int(labels[labels != IGNORE].max(initial=0))
    known = len(task.classes) + task.later
    if highest >= known:
        raise BadInput(
            f"{path} holds the label {highest}; task {task.name!r} has 0 to "
            f"{known - 1} and {IGNORE} (ignored): correct it, or store it without loss"
        )
    return labels


def sayable(truth: LabelMap, task: Task) -> LabelMap:
    """Truth with `IGNORE` for classes that are newer than the model, which cannot predict them."""
    if not task.later:
        return truth
    return np.where(truth < len(task.classes), truth, IGNORE).astype(np.uint8)
