"""Copies the sound of a file to an output, packet by packet, without re-encoding."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from lanes.video.opening import conversion

# Quoted, because PyAV makes Packet generic only for type checkers.
_Timed: TypeAlias = "tuple[Fraction, Packet[Stream]]"

_UNFIT = (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError)
"""Errors by which a format rejects a packet; other errors come from the disk."""


class AudioCopy:
    """Adds the audio streams of a file to `output`, before its header is written.

    Skips streams that the output's format cannot hold, with a warning.
    """

    def __init__(self, path: str | Path, output: OutputContainer, warnings: list[str]) -> None:
        self._path = path
        self._output = output
        self._warnings = warnings
        self._copies: dict[int, AudioStream] = {}
        self._last: dict[int, int] = {}
        self._zero = Fraction(0)
        self._packets: Iterator[_Timed] = iter(())
        self._waiting: _Timed | None = None
        self._container = av.open(str(Path(path).absolute()), metadata_errors="replace")
        for stream in self._container.streams:
            if not isinstance(stream, AudioStream) or not self._add(stream):
                stream.discard = Discard.all

    def _add(self, stream: AudioStream) -> bool:
        try:
            copy = self._output.add_stream_from_template(stream)
        except (ValueError, av.FFmpegError):
            codec = stream.codec_context.name if stream.codec_context else "unknown codec"
            self._warnings.append(
                f"the sound of {self._path} ({codec}) is left out: "
                f"{self._output.format.name} files cannot hold it; "
                f"convert it first: {conversion(self._path, '-c:v copy -c:a aac')}"
            )
            return False
        copy.metadata.update(stream.metadata)
        self._copies[stream.index] = copy
        return True

    def __bool__(self) -> bool:
        return bool(self._copies)

    def start(self, zero: Fraction) -> None:
        """Start the output at second `zero` of the file."""
        if not self._copies:
            return
        self._zero = zero
        if zero > 1:
            self._seek(zero - 1)
        self._packets = self._timed()
        self._waiting = next(self._packets, None)

    def _seek(self, seconds: Fraction) -> None:
        stream = self._container.streams[min(self._copies)]
        # In a file without seeking, early packets are read and skipped.
        with contextlib.suppress(av.FFmpegError):
            self._container.seek(int(seconds / Fraction(stream.time_base or 1)), stream=stream)

    def copy_until(self, seconds: Fraction) -> None:
        """Write all packets that start before `seconds` of the output."""
        while self._waiting is not None and self._waiting[0] < seconds:
            self._write(self._waiting[1])
            self._waiting = next(self._packets, None)

    def close(self) -> None:
        """Close the file."""
        self._packets, self._waiting = iter(()), None
        self._container.close()

    def _timed(self) -> Iterator[_Timed]:
        """The packets from the start of the output, with their times in the output."""
        streams = [self._container.streams[index] for index in self._copies]
        try:
            for packet in self._container.demux(streams):
                if packet.pts is None or packet.dts is None:
                    continue
                seconds = packet.pts * Fraction(packet.time_base) - self._zero
                lasts = (packet.duration or 0) * Fraction(packet.time_base)
                # Keep one earlier packet: most codecs need it to decode the first.
                if seconds + 2 * lasts > 0:
                    yield seconds, packet
        except av.FFmpegError as error:
            self._warnings.append(f"the sound of {self._path} breaks off: {error.strerror}")

    def _write(self, packet: Packet[Stream]) -> None:
        index = packet.stream.index
        shift = round(self._zero / Fraction(packet.time_base))
        packet.pts = (packet.pts or 0) - shift
        packet.dts = time = (packet.dts or 0) - shift
        # Times in damaged files sometimes go backwards; no format can hold that.
        if time > self._last.get(index, time - 1):
            self._last[index] = time
            packet.stream = self._copies[index]
            try:
                self._output.mux(packet)
            except _UNFIT as error:
                self._warnings.append(f"the sound of {self._path} is cut: {error.strerror}")
                self.close()
