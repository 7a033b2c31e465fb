"""One ascending time line for recordings that were joined into one file."""

from __future__ import annotations

from fractions import Fraction

from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream


class Timeline:
    """Shifts the times of video packets so that each part begins where the one before ends.

    A part begins where times jump back by more than a `second` (in ticks), or at a key frame by
    more than a `step`, the ticks that a picture without a duration lasts. `shift` is that of the
    current part; `end` is when the latest picture so far ends.
    """

    def __init__(self, step: int, second: int) -> None:
        self._step, self._second = step, second
        self.restart()

    def restart(self) -> None:
        """Take the times of the file as they are, as after a seek."""
        self.shift = 0
        self._last: int | None = None
        self.end = 0

    def like(self) -> Timeline:
        """Another one for the same stream, from its beginning."""
        return Timeline(self._step, self._second)

    def place(self, packet: Packet[VideoStream]) -> bool:
        """Shift the times of the packet; True if it begins another part."""
        pts, dts = packet.pts, packet.dts
        begins = False
        if dts is not None:
            allowed = self._step if packet.is_keyframe else self._second
            begins = self._last is not None and dts + self.shift < self._last - allowed
            if begins:
                self.shift = self.end - (dts if pts is None else pts)
            self._last = dts + self.shift
        if self.shift:
            packet.pts = None if pts is None else pts + self.shift
            packet.dts = None if dts is None else dts + self.shift
        shown = packet.dts if packet.pts is None else packet.pts
        if shown is not None:
            self.end = max(self.end, shown + (packet.duration or self._step))
        return begins


class Joints:
    """Puts the sound of a file on the `Timeline` of its pictures.

    Packets of a new part come from several streams out of order. So a packet of sound waits for the
    next picture, and then gets that part's shift by which it is nearest to the pictures. `tick` is
    the time base of the timeline in seconds.
    """

    def __init__(self, timeline: Timeline, tick: Fraction) -> None:
        self._timeline, self._tick = timeline, tick
        self._shifts = [Fraction(0)]
        self._waiting: list[Packet[Stream]] = []

    def sound(self, packet: Packet[Stream]) -> None:
        """Note a packet of sound."""
        self._waiting.append(packet)

    def placed(self) -> list[Packet[Stream]]:
        """The packets of sound that waited; call it after each picture, and at the end."""
        shift = self._timeline.shift * self._tick
        if shift != self._shifts[-1]:
            self._shifts.append(shift)
        waiting, self._waiting = self._waiting, []
        return [_nearest(each, self._shifts, self._timeline.end * self._tick) for each in waiting]


def _nearest(packet: Packet[Stream], shifts: list[Fraction], end: Fraction) -> Packet[Stream]:
    """The packet, shifted by the one of `shifts` (seconds) that brings it nearest to `end`."""
    if packet.pts is not None and packet.dts is not None:
        tick = Fraction(packet.time_base)
        seconds = packet.pts * tick
        shift = round(min(shifts, key=lambda shift: abs(seconds + shift - end)) / tick)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
    return packet
