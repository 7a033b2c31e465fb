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

from lanes.video.losses import Losses
from lanes.video.timeline import Timeline

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
    of the first picture. `losses` are all that was met on the way, also before the first frame that
    was asked for; `silent` is True after a network stopped sending, `at_end` at the end of
    the stream. `last` is the decoding time of the last packet.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, step: int) -> None:
        self._container = container
        self._stream = stream
        self._step = step
        self._time_base = Fraction(stream.time_base or 1)
        self.origin = stream.start_time
        second = round(1 / self._time_base)
        self.losses, self._timeline = Losses(step, second), Timeline(step, second)
        self.silent = self.at_end = False
        self.last: int | None = None
        self._counted = False
        # PyAV's default, generating missing times, gets the order of B-frames in AVI files wrong.
        container.flags &= ~cast(int, Flags.gen_pts.value)

    @property
    def end(self) -> int:
        """The time at which the last picture of the packets read so far ends."""
        return self._timeline.end

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
            frames = frames if self._counted else self._sought(frames, target)
            frames = dropwhile(lambda frame: time_of(frame) < target, frames)
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
            self.losses.restart()
            self._timeline.restart()
            frames = self._timed()
            first = next(frames, None)
            if first is not None:
                frames = chain([first], frames)
                if time_of(first) <= target:
                    break
        return frames

    def _timed(self) -> Iterator[av.VideoFrame]:
        """The frames, each with a time."""
        last: int | None = None
        for frame in self._decoded():
            if frame.pts is None:
                self._counted = True
                frame.pts = (self.origin or 0) if last is None else last + self._step
            last = frame.pts
            yield frame

    def _decoded(self) -> Iterator[av.VideoFrame]:
        self.at_end = False
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                self.losses.failed(packet)
                continue
            for frame in frames:
                self.losses.came(frame.pts, frame.is_corrupt)
                yield frame
        self.losses.ended()
        self.at_end = True

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, despite read errors; finally None, which flushes the decoder."""
        failures = 0
        while failures < _MOST_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failures = 0
                        if self._timeline.place(packet):
                            self.losses.joint()
                        self.losses.sent(packet)
                        self.last = packet.dts if packet.dts is not None else packet.pts
                        yield packet
                break
            except (av.error.ExitError, av.error.TimeoutError):
                self.silent = True
                break
            except av.FFmpegError:
                failures += 1
        yield None
