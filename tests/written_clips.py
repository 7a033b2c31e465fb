"""Writes numbered frames with our sink, or a file's own, and tells what a file then holds."""

from __future__ import annotations

from fractions import Fraction

import av

from clips import picture
from lanes.colour import YuvColour, from_bgr
from lanes.video import VideoSink, open_source

LIMITED = YuvColour("bt601", full_range=False)
PLAIN = {"size": (96, 160), "rate": Fraction(25), "colour": LIMITED}


def planes_of(number, size=(96, 160), colour=LIMITED):
    return from_bgr(picture(number, size), colour)


def write(path, frames=6, sizes=None, **options):
    """Write numbered frames; the sink, which is closed."""
    with VideoSink(path, **{**PLAIN, **options}) as sink:
        for number in range(frames):
            sink.write(planes_of(number, sizes[number] if sizes else sink.size, sink.colour))
    return sink


def copy(source_path, path, **options):
    """Write a file's frames into another file; both ends, closed."""
    cut = {key: options.pop(key) for key in ("start", "end", "max_frames") if key in options}
    with open_source(source_path, **cut) as source:
        with VideoSink.like(source, path, **options) as sink:
            for frame in source:
                sink.write(frame)
        return source, sink


def stream_of(path):
    """What a file says of its video: a dictionary."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return {
            "codec": context.name,
            "pix_fmt": context.pix_fmt,
            "size": (context.height, context.width),
            "rate": stream.average_rate,
            "frames": stream.frames,
            "aspect": stream.sample_aspect_ratio,
            "start": stream.start_time,
            "tags": (context.colorspace, context.color_primaries, context.color_trc),
            "range": context.color_range,
        }


def sound_of(path):
    """The packets of the first sound: their second and their bytes."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        packets = container.demux(audio=0)
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets if p.size]
