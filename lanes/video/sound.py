"""Where the sound of an output comes from: a file read once more, or a stream as it is read."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from lanes.video.decoder import use_own_times
from lanes.video.opening import is_url, shown, url_options
from lanes.video.timeline import Joints, Timeline

_TIMEOUT = 10.0
"""A network may be silent for so many seconds."""
_DISCONTINUOUS = 0x200
"""FFmpeg's AVFMT_TS_DISCONT: formats whose times may begin anew, such as MPEG-TS."""


class FileSound:
    """The sound of a file or address, which is opened for it."""

    def __init__(self, path: str | Path) -> None:
        self.name = shown(path)
        self._container = _open(path)
        use_own_times(self._container)
        video = self._container.streams.best("video")
        may_jump = self._container.format.flags & _DISCONTINUOUS
        self._video = video if may_jump and isinstance(video, VideoStream) else None
        self.streams = list(self._container.streams.audio)

    def seek(self, seconds: Fraction) -> None:
        """Go to a place before `seconds`, where that is possible."""
        if self._video is None:
            stream = self.streams[0]
            # In a file without seeking, early packets are read and skipped.
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(seconds / Fraction(stream.time_base or 1)), stream=stream)

    def packets(self, indices: list[int]) -> Iterator[Packet[Stream]]:
        """The packets of the streams with these `indices`, on one time line with the pictures."""
        streams = [stream for stream in self.streams if stream.index in indices]
        for stream in self._container.streams:
            if stream not in streams and stream is not self._video:
                stream.discard = Discard.all
        if self._video is None:
            return iter(self._container.demux(streams))
        return self._joined(self._video, streams)

    def _joined(self, video: VideoStream, streams: list[AudioStream]) -> Iterator[Packet[Stream]]:
        tick = Fraction(video.time_base or 1)
        timeline = Timeline(round(1 / (25 * tick)), round(1 / tick))
        joints = Joints(timeline, tick)
        for packet in self._container.demux([video, *streams]):
            if packet.stream is not video:
                joints.sound(packet)
                continue
            if packet.size:
                timeline.place(cast("Packet[VideoStream]", packet))
            yield from joints.placed()
        yield from joints.placed()

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class Tap:
    """The sound of a stream that can be read only once, as the reader of its pictures meets it.

    It has no more packets for the moment when it raises `StopIteration`. `streams` may be used
    while `lock` is held: they end with the stream.
    """

    def __init__(self, name: str, streams: list[AudioStream]) -> None:
        self.name, self.streams = name, streams
        self.lock = threading.Lock()
        self._packets: deque[Packet[Stream]] = deque(maxlen=10_000)
        self._error: av.FFmpegError | None = None
        self._wanted: list[int] = []

    def add(self, packets: list[Packet[Stream]]) -> None:
        """Add packets; may be called by another thread."""
        self._packets.extend(packets)

    def forget_streams(self) -> None:
        """Before they are closed; the packets stay."""
        with self.lock:
            self.streams = []

    def fail(self, error: av.FFmpegError) -> None:
        """Raise `error` after the packets."""
        self._error = error

    def take(self, later: Fraction) -> list[Packet[Stream]]:
        """Remove and return all packets, with times that are `later` seconds later."""
        taken = []
        while self._packets:
            packet = self._packets.popleft()
            ticks = round(later / Fraction(packet.time_base))
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
            taken.append(packet)
        return taken

    def seek(self, seconds: Fraction) -> None:
        """There is no way back: earlier packets are skipped."""

    def packets(self, indices: list[int]) -> Iterator[Packet[Stream]]:
        """The packets; those of other streams than these are left out."""
        self._wanted = indices
        return self

    def __iter__(self) -> Iterator[Packet[Stream]]:
        return self

    def __next__(self) -> Packet[Stream]:
        while self._packets:
            packet = self._packets.popleft()
            if packet.stream_index in self._wanted:
                return packet
        error, self._error = self._error, None
        if error:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Nothing to close: the stream belongs to the reader of the pictures."""


def _open(path: str | Path) -> InputContainer:
    if is_url(path):
        options = url_options(str(path))
        return av.open(str(path), timeout=_TIMEOUT, options=options, metadata_errors="replace")
    return av.open(str(Path(path).absolute()), metadata_errors="replace")
