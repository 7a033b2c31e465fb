"""Decode frames with exact times, skipping damaged parts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, dropwhile
from typing import cast

import av
from av.container import InputContainer
from av.container.core import Flags
from av.packet import Packet
from av.video.stream import VideoStream

# A damaged spot causes an error or two; a lost disk or network causes them forever.
_MOST_READ_ERRORS = 10
# How far a seek may land from its target.
_SEEK_SLACK_SECONDS = 10


def time_of(frame: av.VideoFrame) -> int:
    """The frame's time in its stream's time base, which all frames of a `Decoder` have."""
    return cast(int, frame.pts)


class Decoder:
    """The frames of one stream, in display order.

    `step` is the assumed time between frames that have no time of their own. `origin` is the time
    of the first picture. `errors` counts undecodable packets, `damaged` partly decoded frames;
    `silent` is True after a network stopped sending.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, step: int) -> None:
        self._container = container
        self._stream = stream
        self._step = step
        self._time_base = Fraction(stream.time_base or 1)
        self.origin = stream.start_time
        self.errors = 0
        self.damaged = 0
        self.silent = False
        self._counted = False
        # PyAV's default, generating missing times, gets the order of B-frames in AVI files wrong.
        container.flags &= ~cast(int, Flags.gen_pts.value)

    def frames(self, start: Fraction) -> Iterator[av.VideoFrame]:
        """The frames from `start` seconds after the first frame."""
        frames = self._timed()
        first = next(frames, None)
        if first is None:
            return
        if self.origin is None:
            self.origin = time_of(first)
        frames = chain([first], frames)
        if start:
            target = self.origin + start / self._time_base
            # Without times in the file, frames must be counted from its beginning.
            frames = self._skip(frames if self._counted else self._sought(frames, target), target)
        yield from frames

    def _sought(self, frames: Iterator[av.VideoFrame], target: Fraction) -> Iterator[av.VideoFrame]:
        """Frames from a point before the time `target`; `frames` unchanged if seeking fails.

        Seeking retries further back, because some formats land after the target.
        """
        slack = _SEEK_SLACK_SECONDS / self._time_base
        for place in (target, target - slack, (self.origin or 0) - slack):
            try:
                self._container.seek(int(place), stream=self._stream)
            except av.FFmpegError:
                continue  # A live stream cannot seek; it is read up to the target.
            frames = self._timed()
            first = next(frames, None)
            if first is not None:
                frames = chain([first], frames)
                if time_of(first) <= target:
                    break
        return frames

    def _skip(self, frames: Iterator[av.VideoFrame], target: Fraction) -> Iterator[av.VideoFrame]:
        """The frames from time `target` on."""
        frames = dropwhile(lambda frame: time_of(frame) < target, frames)
        first = next(frames, None)
        # Errors so far do not count: after a seek, reference frames may be missing.
        self.errors = self.damaged = 0
        return frames if first is None else chain([first], frames)

    def _timed(self) -> Iterator[av.VideoFrame]:
        """The frames, each with a time; times never jump back by more than a second."""
        last: int | None = None
        shift = 0
        for frame in self._decoded():
            following = (self.origin or 0) if last is None else last + self._step
            self._counted |= frame.pts is None
            time = following if frame.pts is None else frame.pts + shift
            if last is not None and (last - time) * self._time_base > 1:
                # Joined recordings restart at zero; continue where the last one ended.
                shift += following - time
                time = following
            frame.pts = last = time
            yield frame

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                self.errors += 1
                continue
            for frame in frames:
                self.damaged += frame.is_corrupt
                yield frame

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, despite read errors; finally None, which flushes the decoder."""
        failures = 0
        while failures < _MOST_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failures = 0
                        yield packet
                break
            except (av.error.ExitError, av.error.TimeoutError):
                self.silent = True
                break
            except av.FFmpegError:
                failures += 1
        yield None
