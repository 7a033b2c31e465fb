"""Cuts a part out of a video without encoding it again."""

from __future__ import annotations

from pathlib import Path

import av

from lanes.errors import BadOutput
from lanes.system.atomic import atomic_file
from lanes.video.places import FORMATS


def cut_clip(video: Path, output: Path, start: float, end: float) -> None:
    """Copy the seconds `start` to `end` of `video`, with its sound, to `output`.

    The copy begins with the last key frame before `start`. In MP4 and MOV an edit list skips what
    is too early; a player that ignores it shows a few seconds more.
    https://ffmpeg.org/ffmpeg-formats.html#mov_002c-mp4_002c-ismv

    Raises:
        BadOutput: `output` cannot be written; a file of that name is replaced.
    """
    try:
        with (
            atomic_file(output) as part,
            av.open(str(video)) as given,
            av.open(str(part), "w", format=FORMATS[output.suffix.lower()]) as copy,
        ):
            _copy(given, copy, start, end)
    except av.FFmpegError as error:
        raise BadOutput(f"{output} cannot be written ({error}): choose another place") from error


def _copy(
    given: av.container.InputContainer, copy: av.container.OutputContainer, start: float, end: float
) -> None:
    """Copy the packets, with times from `start` on."""
    streams = {stream.index: copy.add_stream_from_template(stream) for stream in given.streams}
    given.seek(int(start * av.time_base))
    for packet in given.demux():
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            continue
        is_video = packet.stream.type == "video"
        if packet.dts * packet.time_base > end:
            if is_video:
                break
            continue
        if not is_video and packet.pts * packet.time_base < start:
            continue
        shift = round(start / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = streams[packet.stream.index]
        copy.mux(packet)
