"""Which frames of a stream are lost: reckoned from its packets and their times."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from fractions import Fraction
from heapq import heappop, heappush

from av.packet import Packet
from av.video.stream import VideoStream

_LONGEST_GAP = 60
"""Seconds that one damaged place may last."""


class Losses:
    """The times of lost frames, in ticks of the stream's time base.

    A packet whose time the decoder passes over is a lost frame. A gap between frames is a loss
    within a `second` (in ticks) of a damaged packet, of one frame every `step` ticks; elsewhere it
    is a pause, such as frames that a camera dropped. Packets without times count when they fail.
    Expects frames in display order. `damaged` are the times of frames that are only partly decoded.
    """

    def __init__(self, step: int, second: int) -> None:
        self._step, self._second = step, second
        self.restart()

    def restart(self) -> None:
        """Forget what was met so far, as after a seek."""
        self.times: list[int] = []
        self.damaged: list[int] = []
        self._sent: list[int] = []
        self._first: int | None = None
        self._last: int | None = None
        self._hit: int | None = None

    def joint(self) -> None:
        """The next packet begins a recording that was appended to the last one."""
        self._first = self._hit = None

    def sent(self, packet: Packet[VideoStream]) -> None:
        """Note a packet that goes into the decoder."""
        if packet.pts is None:
            return
        # Pictures before the first key frame refer to what was cut away.
        self._first = packet.pts if self._first is None else self._first
        if packet.pts >= self._first and is_picture(packet):
            heappush(self._sent, packet.pts)
        if packet.is_corrupt:
            self._hit = packet.pts

    def failed(self, packet: Packet[VideoStream] | None) -> None:
        """Note a packet that cannot be decoded; None: what the decoder held at the end."""
        if packet is not None and packet.pts is not None:
            self._hit = packet.pts
        elif packet or not self._sent:  # else those that were sent are counted by their times
            self.times.append(self._last or 0)

    def came(self, time: int, damaged: bool) -> None:
        """Note a decoded frame."""
        if damaged:
            self.damaged.append(time)
        if self._last is not None and time < self._last:
            # After damage the H.264 decoder gives a picture too late.
            self.times = [lost for lost in self.times if lost != time]
            return
        self._pass_over(time)
        self._last = time

    def ended(self) -> None:
        """Note that the decoder has no more frames."""
        self.times += sorted(self._sent)
        self._sent = []

    def _pass_over(self, time: int) -> None:
        """The frames before `time`, which come no more."""
        passed = []
        while self._sent and self._sent[0] <= time:
            if (sent := heappop(self._sent)) < time:
                passed.append(sent)
        if self._last is None:
            return
        gap = range(self._last + self._step, time - self._step // 2, self._step)
        if len(gap) * self._step > _LONGEST_GAP * self._second:
            gap = range(0)  # The time itself is damaged.
        near = range(self._last - self._second, time + self._second)
        # `None in near` would compare None with each of its 180,000 ticks.
        damaged = passed or (self._hit is not None and self._hit in near)
        self.times += gap if damaged and len(gap) > len(passed) else passed


def between(times: Iterable[int], start: float | Fraction, stop: float | Fraction) -> int:
    """How many of the `times` are from `start` up to, not including, `stop`.

    >>> between([1, 2, 5], 2, 5)
    1
    """
    return sum(start <= time < stop for time in times)


def stretches(times: Iterable[float], step: float) -> list[tuple[float, float]]:
    """Lost frames that follow one another, as stretches from and to in seconds.

    A frame lasts `step` seconds.

    >>> stretches([3, 1, 2, 7], 1)
    [(1, 4), (7, 8)]
    """
    found: list[tuple[float, float]] = []
    for time in sorted(times):
        if found and time - found[-1][1] < step / 2:
            found[-1] = (found[-1][0], time + step)
        else:
            found.append((time, time + step))
    return found


def is_picture(packet: Packet[VideoStream]) -> bool:
    """Whether a packet holds a picture to show.

    Edit lists leave out some packets. VP8 has pictures that others only refer to: RFC 6386, section
    9.1: bit 4 of the first byte is show_frame.
    """
    context = packet.stream.codec_context
    hidden = context is not None and context.name == "vp8" and not bytes(packet)[0] & 16
    return not (packet.is_discard or hidden)


class Places:
    """Where in an AVI file packets were met, to compare with its index.

    Its demuxer goes on after damage without a gap in the times.
    """

    _HEAD = 8
    """Bytes of a chunk before its content."""

    def __init__(self) -> None:
        self._met = array("q")

    def note(self, packet: Packet[VideoStream]) -> None:
        """Note where a packet was."""
        self._met.append(-1 if packet.pos is None else packet.pos)

    def unmet(self, stream: VideoStream) -> list[int]:
        """The times of the pictures in the index that were not met."""
        met = set(self._met)
        entries = [
            (entry.timestamp, entry.pos + self._HEAD in met) for entry in stream.index_entries
        ]
        found = any(there for _, there in entries)
        return [time for time, there in entries if found and not there]
