"""Frames of a camera of this machine, through OpenCV."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from lanes.colour import default_colour, from_bgr
from lanes.errors import BadInput, BadVideo
from lanes.types import Frame, Image
from lanes.video.base import Cut, Source, rate_of, standard_rate
from lanes.video.microphone import Microphone

_MOST_TRIED = 5
_Shot = tuple[float, Image]


@dataclass(frozen=True)
class CameraMode:
    """What to ask of a camera; None leaves it as it is.

    `size` is "WIDTHxHEIGHT", `fps` the frames a second, `format` the four letters of a pixel format
    such as "mjpg" or "yuyv". A camera gives the nearest that it has. `audio` is the sound device to
    record with it; see `lanes.video.microphone`.
    """

    size: str | None = None
    fps: float | None = None
    format: str | None = None
    audio: str | None = None

    def check(self) -> None:
        """Raise `BadInput` for what no camera understands."""
        if self.size is not None and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.size):
            raise BadInput(f"got the camera size {self.size!r}; give one such as 1280x720")
        if self.fps is not None:
            rate_of(self.fps)
        if self.format is not None and not re.fullmatch(r"[!-~]{4}", self.format):
            raise BadInput(f"got the camera format {self.format!r}; give four letters such as mjpg")

    def ask(self, camera: cv2.VideoCapture) -> None:
        """Set what is given: the format first, because sizes and rates depend on it."""
        if self.format is not None:
            camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self.format.upper()))
        if self.size is not None:
            width, height = map(int, self.size.split("x"))
            camera.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            camera.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        if self.fps is not None:
            camera.set(cv2.CAP_PROP_FPS, self.fps)

    def missed(self, size: str, rate: Fraction | None, format: str) -> bool:
        """Whether the camera gives something else."""
        return (
            self.size not in (None, size)
            or (self.fps is not None and (rate is None or abs(self.fps - rate) > 0.5))
            or (self.format is not None and self.format.upper() != format.upper())
        )


class CameraSource(Source):
    """The pictures of camera `index`, each with its capture time.

    `mode` is what to ask of the camera; `details` and a warning say what it gives. `tap` is the
    sound of `mode.audio`.

    Times are ticks of 1/90000 s since the first picture; `start` and `end` are seconds since then.

    Raises:
        BadInput: no camera understands `mode`, or its sound device cannot be opened.
        BadVideo: there is no such camera (names those that exist), or it gives no picture.
    """

    live = True

    def __init__(
        self,
        index: int,
        start: float | None = None,
        end: float | None = None,
        max_frames: int | None = None,
        *,
        seconds: float | None = None,
        mode: CameraMode | None = None,
    ) -> None:
        mode = mode or CameraMode()
        mode.check()
        self._cut = Cut.of(start, end, max_frames, seconds)
        self.name = f"camera{index}"
        self.warnings = []
        self._microphone: Microphone | None = None
        self._camera = _open(index)
        mode.ask(self._camera)
        shots = self._shots()
        first = next(shots, None)
        if first is None:
            self._camera.release()
            raise BadVideo(
                f"camera {index} opens but gives no picture; close other programs that use it"
            )
        height, width = first[1].shape[:2]
        self.size, self.colour = (height, width), default_colour(height)
        self.rate = standard_rate(self._camera.get(cv2.CAP_PROP_FPS))
        self._describe(mode)
        self.duration = self._cut.seconds_of(None)
        self.frames = self._cut.frames_of(None, None, self.rate)
        if mode.audio is not None:
            self._listen(mode.audio, began=first[0])
        self._frames = self._read(chain([first], shots))

    def _listen(self, device: str, began: float) -> None:
        """Record the sound of `device`, with times since the first picture."""
        try:
            self._microphone = Microphone(device, began)
        except BaseException:
            self._camera.release()
            raise
        self.tap = self._microphone.tap

    def _describe(self, mode: CameraMode) -> None:
        """Say what the camera gives."""
        size = f"{self.size[1]}x{self.size[0]}"
        code = int(self._camera.get(cv2.CAP_PROP_FOURCC))
        letters = code.to_bytes(4, "little", signed=True).decode("ascii", "replace")
        format = letters.strip("\0 ") if letters.isprintable() else ""
        rate = f"{float(self.rate):g} FPS" if self.rate else ""
        self.details = ", ".join(filter(None, (size, rate, format)))
        if mode.missed(size, self.rate, format):
            self.warnings.append(
                f"{self.name} gives {self.details}, not what was asked for; on Linux, "
                "v4l2-ctl --list-formats-ext lists what it can"
            )

    def close(self) -> None:
        """Release the camera and its microphone."""
        super().close()
        if self._microphone is not None:
            self._microphone.close()
        self._camera.release()

    def _shots(self) -> Iterator[_Shot]:
        while True:
            read, image = self._camera.read()
            if not read:
                return
            yield time.monotonic(), np.asarray(image, np.uint8)

    def _read(self, shots: Iterator[_Shot]) -> Iterator[Frame]:
        began, index, last = 0.0, 0, -1
        stop: Fraction | None = self._cut.end
        for taken, image in shots:
            began = began or taken
            pts = max(round((taken - began) / self.time_base), last + 1)
            if stop is not None and pts * self.time_base >= stop:
                return
            if pts * self.time_base < self._cut.start:
                continue
            if not index:
                stop = self._cut.stop(pts * self.time_base)
            planes = from_bgr(image, self.colour)
            yield Frame(planes, self.colour, index, pts, self.time_base, image=image)
            index, last = index + 1, pts
            if index == self._cut.max_frames:
                return
        self.warnings.append(f"{self.name} gave no more pictures: treated as the end")


def _open(index: int) -> cv2.VideoCapture:
    if sys.platform != "linux" or index in _linux_cameras():
        camera = cv2.VideoCapture(index)
        if camera.isOpened():
            return camera
        camera.release()
    found = ", ".join(map(str, _cameras())) or "none"
    raise BadVideo(f"there is no camera {index} that opens; there are: {found}")


def _linux_cameras() -> list[int]:
    names = (path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
    return sorted(int(name) for name in names if name.isdecimal())


def _cameras() -> list[int]:
    """The existing cameras; on systems without a list of them, those that can be opened."""
    if sys.platform == "linux":
        return _linux_cameras()
    opened = []
    for index in range(_MOST_TRIED):
        camera = cv2.VideoCapture(index)
        if camera.isOpened():
            opened.append(index)
        camera.release()
    return opened
