"""Frames of a camera of this machine, through OpenCV."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from lanes.colour import default_colour, from_bgr
from lanes.errors import BadVideo
from lanes.types import Frame, Image
from lanes.video.base import Cut, Source, standard_rate

_MOST_TRIED = 5
_Shot = tuple[float, Image]


class CameraSource(Source):
    """The pictures of camera `index`, each with its capture time.

    Times are ticks of 1/90000 s since the first picture; `start` and `end` are seconds since then.

    Raises:
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
    ) -> None:
        self._cut = Cut.of(start, end, max_frames, seconds)
        self.name = f"camera{index}"
        self.warnings = []
        self._camera = _open(index)
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
        self.duration = self._cut.seconds_of(None)
        self.frames = self._cut.frames_of(None, None, self.rate)
        self._frames = self._read(chain([first], shots))

    def close(self) -> None:
        """Release the camera."""
        super().close()
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
