"""The sound of an output: copied packet by packet, or converted to AAC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from lanes.video.aac import AacTrack
from lanes.video.opening import conversion
from lanes.video.sound import FileSound, Tap

# Quoted, because PyAV makes Packet generic only for type checkers.
_Timed: TypeAlias = "tuple[Fraction, Packet[Stream]]"

_UNFIT = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError)
"""Errors by which a format rejects a packet; other errors come from the disk."""
# MP4 may hold much that only some players play: https://developer.mozilla.org/docs/Web/Media/Guides/
# Formats/Containers#mpeg-4_mp4. PCM is QuickTime's own.
_PLAYED = {
    "mp4": ("aac", "mp3"),
    "mov": ("aac", "mp3", "alac", "ac3", "pcm_"),
    "matroska": ("",),
}
"""Beginnings of the names of codecs that players of a format surely play."""


class AudioCopy:
    """Adds sound to `output`, before its header is written.

    It comes from a file, an address, or the `Tap` of a stream. Sound that players of the output's
    format do not surely play becomes AAC; sound that cannot be decoded is left out. Both are
    warnings.
    """

    def __init__(
        self, source: str | Path | Tap, output: OutputContainer, warnings: list[str]
    ) -> None:
        self._source, self._input = source, _opened(source)
        self._path = self._input.name
        self._output = output
        self._warnings = warnings
        self._tracks: dict[int, _CopiedTrack | AacTrack] = {}
        self._zero = self._begin = Fraction(0)
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._waiting: _Timed | None = None
        with source.lock if isinstance(source, Tap) else nullcontext():
            for stream in self._input.streams:
                self._add(stream)

    def _add(self, stream: AudioStream) -> None:
        kind = self._output.format.name
        codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
        try:
            if not codec.startswith(_PLAYED[kind]):
                raise ValueError(f"not every player of {kind} files plays it")
            self._tracks[stream.index] = _CopiedTrack(stream, self._output)
        except (ValueError, av.FFmpegError) as unfit:
            self._convert(stream, codec, unfit)

    def _convert(self, stream: AudioStream, codec: str, unfit: Exception) -> None:
        """Add the stream as AAC, because of the error `unfit`."""
        kind = self._output.format.name
        try:
            self._tracks[stream.index] = AacTrack(stream, self._output)
        except (ValueError, av.FFmpegError):
            self._warnings.append(
                f"the sound of {self._path} ({codec}) is left out: {kind} files cannot hold it; "
                f"convert it first: {conversion(self._path, '-c:v copy -c:a aac')}"
            )
            return
        self._warnings.append(f"the sound of {self._path} ({codec}) becomes AAC: {unfit}")

    def start(self, zero: Fraction, begin: Fraction = Fraction(0)) -> None:
        """Go on at second `begin` of the output, whose second 0 is second `zero` of the source."""
        if not self._tracks:
            return
        if begin:
            self._cut(begin)
        self._zero, self._begin, self._waiting = zero, begin, None
        if zero + begin > 1:
            self._input.seek(zero + begin - 1)
        self._packets = self._input.packets(list(self._tracks))

    def _cut(self, begin: Fraction) -> None:
        """Write what is before `begin`, and read a file anew from wherever the next sound is."""
        self.copy_until(begin)
        if not isinstance(self._source, Tap):
            self._input.close()
            self._input = _opened(self._source)

    def copy_until(self, seconds: Fraction) -> None:
        """Write all packets that start before `seconds` of the output."""
        while (waiting := self._waiting or self._next()) is not None:
            self._waiting = waiting
            if waiting[0] >= seconds:
                return
            self._waiting = None
            self._write(waiting[1], waiting[1].stream_index)

    def finish(self, seconds: Fraction) -> None:
        """Write what starts before `seconds`, and close the file."""
        self.copy_until(seconds)
        for index in self._tracks:
            self._write(None, index)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._packets, self._waiting = iter(()), None
        self._tracks = {}
        self._input.close()

    def _next(self) -> _Timed | None:
        """The next packet from the last start on, with its time in the output."""
        try:
            for packet in self._packets:
                if packet.pts is None or packet.dts is None:
                    continue
                seconds = packet.pts * Fraction(packet.time_base) - self._zero
                lasts = (packet.duration or 0) * Fraction(packet.time_base)
                # Keep one earlier packet: most codecs need it to decode the first.
                if seconds + 2 * lasts > self._begin:
                    return seconds, packet
        except av.FFmpegError as error:
            self._warnings.append(f"the sound of {self._path} breaks off: {error.strerror}")
            self._packets = iter(())
        return None

    def _write(self, packet: Packet[Stream] | None, index: int) -> None:
        """Write a packet of a track; None ends it."""
        if packet is not None:
            shift = round(self._zero / Fraction(packet.time_base))
            packet.pts, packet.dts = (packet.pts or 0) - shift, (packet.dts or 0) - shift
        try:
            for written in self._tracks[index].packets(packet):
                self._output.mux(written)
        except _UNFIT as error:
            self._warnings.append(f"the sound of {self._path} is cut: {error.strerror}")
            self.close()


def _opened(source: str | Path | Tap) -> FileSound | Tap:
    return source if isinstance(source, Tap) else FileSound(source)


class _CopiedTrack:
    """A stream of sound, copied; raises `ValueError` or `FFmpegError` if it does not fit."""

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        self._stream = output.add_stream_from_template(stream)
        self._stream.metadata.update(stream.metadata)
        self._last: int | None = None

    def packets(self, packet: Packet[Stream] | None) -> Iterator[Packet[Stream]]:
        """The packet for the output, if its time is after that of the last."""
        if packet is None or packet.dts is None:
            return
        # Times in damaged files sometimes go backwards; no format can hold that.
        if self._last is None or packet.dts > self._last:
            self._last = packet.dts
            packet.stream = self._stream
            yield packet
