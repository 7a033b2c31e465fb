"""The base of all sources of frames: files, images and cameras."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite
from types import TracebackType
from typing import Self

from lanes.colour import YuvColour
from lanes.errors import BadInput
from lanes.types import Frame, Size
from lanes.video.sound import Tap

UNSPECIFIED = 2
"""The number for an unspecified colour tag in video files."""


@dataclass(frozen=True)
class Cut:
    """The part of an input to read: from `start` up to, not including, `end`.

    Both are in seconds from the input's first picture. It has at most `max_frames` frames, and
    lasts at most `seconds` from its first frame.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    max_frames: int | None = None
    seconds: Fraction | None = None

    @classmethod
    def of(
        cls,
        start: float | None,
        end: float | None,
        max_frames: int | None,
        seconds: float | None = None,
    ) -> Cut:
        """The cut for a user's numbers.

        Raises:
            BadInput: the numbers leave nothing to read.
        """
        for name, given in (("start", start), ("end", end), ("length", seconds)):
            if given is not None and not isfinite(given):
                raise BadInput(f"the {name} is {given}; give a number of seconds")
        if start is not None and start < 0:
            raise BadInput(f"the start is {start} s; give 0 or more seconds")
        if end is not None and end <= (start or 0):
            raise BadInput(
                f"the end, {end} s, is not after the start, {start or 0} s; give a later end"
            )
        if max_frames is not None and max_frames < 1:
            raise BadInput(f"got a limit of {max_frames} frames; give 1 or more")
        # islice counts no further, nor does any video.
        limit = None if max_frames is None else min(max_frames, sys.maxsize)
        last, length = (None if s is None else _exact(s) for s in (end, seconds))
        return cls(_exact(start or 0), last, limit, length)

    def stop(self, first: Fraction) -> Fraction | None:
        """The second at which the part ends if its first frame is at second `first`; None: never.

        Both are seconds from the input's first picture.
        """
        ends = [] if self.end is None else [self.end]
        ends += [] if self.seconds is None else [first + self.seconds]
        return min(ends, default=None)

    def seconds_of(self, duration: float | None) -> float | None:
        """The length of the part, for an input of `duration` seconds; None if unknown."""
        ends = [float(end) for end in (duration, self.stop(self.start)) if end is not None]
        return max(0.0, min(ends) - float(self.start)) if ends else None

    def frames_of(
        self, frames: int | None, duration: float | None, rate: Fraction | None
    ) -> int | None:
        """The number of frames in the part, from the input's `frames`, or else its `duration`.

        Exact for a constant `rate`; None if unknown.
        """
        if frames is None and duration is not None and rate is not None:
            frames = round(duration * rate)
        if rate is not None:
            first = ceil(self.start * rate)
            counts = [] if frames is None else [frames]
            stop = self.stop(self.start)
            counts += [] if stop is None else [ceil(stop * rate)]
            frames = max(1, min(counts) - first) if counts else None
        counts = [count for count in (frames, self.max_frames) if count is not None]
        return min(counts) if counts else None


def _exact(seconds: float) -> Fraction:
    """The intended fraction: 0.1 is 1/10, which the binary float slightly exceeds."""
    return Fraction(seconds).limit_denominator(1_000_000)


def standard_rate(rate: float) -> Fraction | None:
    """The exact rate behind a rounded one (29.97 is 30000/1001); None if it is not a rate."""
    if not 0 < rate <= 1000:
        return None
    ntsc = Fraction(round(rate * 1.001) * 1000, 1001)
    if abs(rate - round(rate)) > 0.005 and abs(rate - ntsc) < 0.005:
        return ntsc
    return Fraction(rate).limit_denominator(1000)


def rate_of(fps: float) -> Fraction:
    """The exact rate that a user means by `fps`.

    Raises:
        BadInput: it is no rate.
    """
    rate = standard_rate(fps)
    if rate is None:
        raise BadInput(f"got {fps:g} frames a second; give more than 0, up to 1000")
    return rate


class Source(Iterator[Frame]):
    """Iterates once over the frames of one input, in order. Close it, or use it in a `with`.

    `details` are the size, rate and format that a camera was set to.
    `size` is the size of the first frame, upright; other frames may differ. `rate` is exact
    (30000/1001), None if unknown. `first` is the number of the first frame in the whole input, and
    `origin` the second of the input's first picture. `frames` and `duration` (seconds) are
    estimates, None if unknown; `frames_exact` says that an index counts the frames. A `live` source
    does not wait for its reader; `own_times` says that its times are not those of the arrival.
    `tap` gives the sound that is met on the way, where that was asked for.
    `lost_since` is the `time.monotonic()` of the current loss, None while it delivers; `losses`
    counts them. `primaries` and `transfer` are ITU-T H.273 numbers. `lost` counts unreadable
    frames, `unread` are their stretches, from and to in seconds of the input; `warnings` reports
    them and everything else that users should know. All are complete after the
    last frame, or `close`.
    """

    name: str
    details: str = ""
    size: Size
    colour: YuvColour
    rate: Fraction | None = None
    time_base: Fraction = Fraction(1, 90_000)
    first: int = 0
    origin: float = 0.0
    frames: int | None = None
    frames_exact: bool = False
    duration: float | None = None
    live: bool = False
    own_times: bool = False
    tap: Tap | None = None
    lost_since: float | None = None
    losses: int = 0
    sample_aspect_ratio: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    lost: int = 0
    unread: Sequence[tuple[float, float]] = ()
    warnings: list[str]
    _frames: Iterator[Frame]

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the input; the source then has no more frames."""
        self._frames = iter(())
