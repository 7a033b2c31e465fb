"""What every source of frames has in common, whether a file, images or a camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from types import TracebackType
from typing import Self

from lanes.colour import YuvColour
from lanes.errors import BadInput
from lanes.types import Frame, Size

UNSPECIFIED = 2
"""The number by which video files say that a colour tag is not given."""


@dataclass(frozen=True)
class Cut:
    """The part of an input that is wanted: from `start` up to, not including, `end`.

    Both in seconds from the input's first picture; at most `max_frames` frames.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    max_frames: int | None = None

    @classmethod
    def of(cls, start: float | None, end: float | None, max_frames: int | None) -> Cut:
        """The cut for numbers as a user gives them.

        Raises:
            BadInput: a number that leaves nothing to read.
        """
        if start is not None and start < 0:
            raise BadInput(f"the start is {start} s; give 0 or more seconds from the beginning")
        if end is not None and end <= (start or 0):
            raise BadInput(
                f"the end, {end} s, is not after the start, {start or 0} s: nothing left"
            )
        if max_frames is not None and max_frames < 1:
            raise BadInput(f"at most {max_frames} frames were asked for; give 1 or more")
        return cls(_exact(start or 0), None if end is None else _exact(end), max_frames)

    def seconds_of(self, duration: float | None) -> float | None:
        """How long the part is, of an input of `duration` seconds; None where that is unknown."""
        ends = [float(end) for end in (duration, self.end) if end is not None]
        return max(0.0, min(ends) - float(self.start)) if ends else None

    def frames_of(
        self, frames: int | None, duration: float | None, rate: Fraction | None
    ) -> int | None:
        """How many frames the part has, of an input that has `frames` in all, else `duration`.

        Exact for a constant `rate`; None where that cannot be known.
        """
        if frames is None and duration is not None and rate is not None:
            frames = round(duration * rate)
        if rate is not None:
            first = ceil(self.start * rate)
            counts = [] if frames is None else [frames]
            counts += [] if self.end is None else [ceil(self.end * rate)]
            frames = max(1, min(counts) - first) if counts else None
        counts = [count for count in (frames, self.max_frames) if count is not None]
        return min(counts) if counts else None


def _exact(seconds: float) -> Fraction:
    """The fraction that was meant: 0.1 is 1/10, which the binary float slightly exceeds."""
    return Fraction(seconds).limit_denominator(1_000_000)


def first_number(start: float | None, rate: Fraction | None) -> int:
    """The number, in the whole input, of the first frame from `start` seconds on; 0 without rate.

    >>> first_number(0.8, Fraction(25))
    20
    """
    return ceil(_exact(start or 0) * (rate or 0))


class Source(Iterator[Frame]):
    """Frames of one input, in order, once. Close it, or use it in a `with`.

    `size` is that of the first frame, upright; other frames may differ. `rate` is exact (30000/1001
    stays so), None if unknown. `frames` and `duration` (seconds) are expectations, None if unknown.
    A `live` source does not wait for its reader; it gives nothing since `lost_since`, a
    `time.monotonic()`, or that is None, and was lost `losses` times. `primaries` and `transfer` are
    tags in the numbers of ITU-T H.273. `lost` counts frames that could not be read, and `warnings`
    tells of them and of everything else that a user should know; both are complete after the last
    frame.
    """

    name: str
    size: Size
    colour: YuvColour
    rate: Fraction | None = None
    time_base: Fraction = Fraction(1, 90_000)
    frames: int | None = None
    duration: float | None = None
    live: bool = False
    lost_since: float | None = None
    losses: int = 0
    sample_aspect_ratio: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    lost: int = 0
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
        """Let go of the input; the source then has no more frames."""
        self._frames = iter(())
