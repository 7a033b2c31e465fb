"""Decode frames with exact times, skipping damaged parts."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.container.core import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from lanes.video.losses import Losses, Places, is_picture
from lanes.video.timeline import Joints, Timeline

# A damaged spot causes an error or two; a lost disk or network causes them forever.
_MOST_READ_ERRORS = 10
# How far a seek may land from its target.
_SEEK_SLACK_SECONDS = 10


def time_of(frame: av.VideoFrame) -> int:
    """The frame's time in its stream's time base, which all frames of a `Decoder` have."""
    return cast(int, frame.pts)


_Count: TypeAlias = Callable[[int, int], int]


class Clock:
    """Gives the time since its first reading, in ticks of `time_base`."""

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._began: float | None = None

    def __call__(self) -> int:
        """The time now."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        return round((now - self._began) / self._time_base)


class Decoder:
    """The frames of one stream, in display order.

    `time_base` is that of the frames. `step` is the assumed time between frames that have no time
    of their own. A `clock` gives frames the time of their arrival instead; `counted` says that
    the times in the stream mean nothing. `reopen` opens the input once more, to count frames.
    `tap` is called with the packets of sound.

    `origin` is the time of the first picture, `first` the number of the first frame that was asked
    for. `losses` are all that was met on the way, also before that frame; `silent` is True after a
    network stopped sending, `at_end` at the end of the stream. `last` is the decoding time of the
    last packet.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        step: int,
        time_base: Fraction,
        *,
        counted: bool = False,
        clock: Callable[[], int] | None = None,
        reopen: Callable[[], InputContainer] | None = None,
        tap: Callable[[list[Packet[Stream]]], None] | None = None,
    ) -> None:
        self._container, self._stream = container, stream
        self._step, self._time_base = step, time_base
        self._untimed = self._counted = counted
        self._clock, self._reopen, self._tap = clock, reopen, tap
        self.origin = None if counted else stream.start_time
        second = round(1 / time_base)
        self.losses, self._timeline = Losses(step, second), Timeline(step, second)
        self._joints = Joints(self._timeline, time_base)
        self.places = Places()
        self.silent = self.at_end = False
        self.first = 0
        self.last: int | None = None
        self._counting = True
        self._sent: list[tuple[int, int]] = []
        use_own_times(container)

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
            frames = self._from(frames, target, time_of(first))
        yield from frames

    def _from(
        self, frames: Iterator[av.VideoFrame], target: Fraction, first: int
    ) -> Iterator[av.VideoFrame]:
        """The frames from the time `target` on; sets `first`."""
        # Without times in the file, frames must be counted from its beginning.
        before = None if self._counted else self._packets_before(target, first)
        if before is not None:
            frames = self._sought(frames, target)
        for skipped, frame in enumerate(frames):
            if time_of(frame) >= target:
                self.first = skipped
                if before is not None and self._sent:
                    shown = sum(first <= pts < time_of(frame) for _, pts in self._sent)
                    self.first = before(*self._sent[0]) + shown
                yield frame
                break
        self._counting = False
        yield from frames

    def _packets_before(self, target: Fraction, first: int) -> _Count | None:
        """A function that counts the shown packets before one that a seek to `target` finds.

        Shown are those from the time `first` on. None if seeking would lead astray: there is no way
        back, or the times begin anew on the way.
        """
        if self._stream.frames and "mp4" in self._container.format.name:
            entries = (entry for entry in self._stream.index_entries if not entry.is_discard)
            decoded = [entry.timestamp for entry in entries]
            return lambda dts, pts: bisect_left(decoded, dts)
        if self._reopen is None:
            return None
        with self._reopen() as container:
            use_own_times(container)
            stream = cast(VideoStream, container.streams[self._stream.index])
            times = _times_before(container.demux(stream), self._timeline.like(), target)
        if times is None:
            return None

        def count(dts: int, pts: int) -> int:
            # By their pts: FFmpeg finds other dts in Matroska files after a seek.
            earlier = times[: times.index(pts)] if pts in times else times
            return sum(time >= first for time in earlier)

        return count

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
            self._sent = []
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
                frame.pts = self._following(last)
            last = frame.pts
            self.losses.came(last, frame.is_corrupt)
            yield frame

    def _following(self, last: int | None) -> int:
        """The time of a frame without one; `last` is that of the frame before."""
        if self._clock is not None:
            return max(self._clock(), 0 if last is None else last + 1)
        return (self.origin or 0) if last is None else last + self._step

    def _decoded(self) -> Iterator[av.VideoFrame]:
        self.at_end = False
        for packet in self._packets():
            try:
                yield from self._stream.decode(packet)
            except av.FFmpegError:
                self.losses.failed(packet)
        self.losses.ended()
        self.at_end = True

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """The stream's packets, despite read errors; finally None, which flushes the decoder."""
        failures = 0
        while failures < _MOST_READ_ERRORS:
            try:
                for packet in self._container.demux(self._read_streams()):
                    if packet.stream is not self._stream:
                        self._joints.sound(packet)
                    elif packet.size:
                        failures = 0
                        picture = cast("Packet[VideoStream]", packet)
                        self._note(picture)
                        self._pass_sound()
                        yield picture
                break
            except (av.error.ExitError, av.error.TimeoutError):
                self.silent = True
                break
            except av.FFmpegError:
                failures += 1
        self._pass_sound()
        yield None

    def _read_streams(self) -> list[Stream]:
        sounds = self._container.streams.audio if self._tap else ()
        return [self._stream, *sounds]

    def _pass_sound(self) -> None:
        sounds = self._joints.placed()
        if self._tap and sounds:
            self._tap([sound for sound in sounds if sound.size])

    def _note(self, packet: Packet[VideoStream]) -> None:
        """Give the packet its time, and note it."""
        self.places.note(packet)
        if self._untimed:
            packet.pts = packet.dts = None
        if self._timeline.place(packet):
            self.losses.joint()
        self.losses.sent(packet)
        self.last = packet.dts if packet.dts is not None else packet.pts
        if self._counting and self.last is not None and is_picture(packet):
            self._sent.append((self.last, self.last if packet.pts is None else packet.pts))


def use_own_times(container: InputContainer) -> None:
    """Take packets as they are, without times where the file has none.

    PyAV's default, generating missing times, gets the order of B-frames in AVI files wrong.
    """
    container.flags &= ~cast(int, Flags.gen_pts.value)


def _times_before(
    packets: Iterator[Packet[VideoStream]], timeline: Timeline, target: Fraction
) -> list[int] | None:
    """The times of the packets up to the key frame after `target`, in their order.

    None if there are packets without times, or times that begin anew.
    """
    times: list[int] = []
    for packet in packets:
        if not packet.size or not is_picture(packet):
            continue
        if timeline.place(packet) or packet.pts is None:
            return None
        if packet.is_keyframe and packet.pts > target:
            break
        times.append(packet.pts)
    return times
