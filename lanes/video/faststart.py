"""Turn a fragmented MP4 or MOV file into a plain one with its index in front.

Browsers can then play it while they load it, and every editor can read it.
https://ffmpeg.org/ffmpeg-formats.html#mov_002c-mp4_002c-ismv
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer


def faststart(source: Path, target: Path, kind: str, seconds_left: Callable[[], float]) -> bool:
    """Copy `source` to `target` of the format `kind` ("mp4", "mov"), nothing encoded again.

    Returns whether it is done: not if it would take longer than `seconds_left()`; then `target` is
    removed.

    Raises:
        av.FFmpegError, OSError: `source` cannot be read, or the copy cannot be written.
    """
    began = time.monotonic()
    options = {"movflags": "+faststart"}
    try:
        with av.open(str(source)) as given:
            copy = av.open(str(target), "w", format=kind, container_options=options)
            for _ in _copy(given, copy):
                # The file's end needs as much again: FFmpeg moves all, to make room for the index.
                if seconds_left() < time.monotonic() - began:
                    target.unlink()
                    return False
            copy.close()
        _check_boxes(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return True


def _copy(given: InputContainer, copy: OutputContainer) -> Iterator[None]:
    """Copy all packets, and give the caller a moment after each."""
    streams = {stream.index: copy.add_stream_from_template(stream) for stream in given.streams}
    for index, stream in streams.items():
        stream.metadata.update(given.streams[index].metadata)
    for packet in given.demux():
        if packet.size and not packet.is_corrupt:  # the last of a killed run may be cut off
            packet.stream = streams[packet.stream.index]
            copy.mux(packet)
        yield


def _check_boxes(path: Path) -> None:
    """Raise OSError unless the file ends where its last box does: FFmpeg misses a full disk."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        while end < size:
            file.seek(end)
            length, _, long = struct.unpack(">IIQ", file.read(16).ljust(16, b"\0"))
            end += max(8, long if length == 1 else length)
    if end != size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
