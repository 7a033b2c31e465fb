"""One ascending time line for recordings that were joined into one file."""

from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream


class Timeline:
    """Shifts the times of video packets so that each part begins where the one before ends.

    A part begins where times jump back by more than a `second` (in ticks). `shift` is that of the
    current part, the number `part`; `end` is when the latest picture so far ends.
    Packets without a duration last `step` ticks.
    """

    def __init__(self, step: int, second: int) -> None:
        self._step, self._second = step, second
        self.restart()

    def restart(self) -> None:
        """Take the times of the file as they are, as after a seek."""
        self.shift = self.part = 0
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
            begins = self._last is not None and dts + self.shift < self._last - self._second
            if begins:
                self.shift = self.end - (dts if pts is None else pts)
                self.part += 1
            self._last = dts + self.shift
        if self.shift:
            packet.pts = None if pts is None else pts + self.shift
            packet.dts = None if dts is None else dts + self.shift
        shown = packet.dts if packet.pts is None else packet.pts
        if shown is not None:
            self.end = max(self.end, shown + (packet.duration or self._step))
        return begins
