"""Writes numbered frames with our sink, or a file's own, and tells what a file then holds."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

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


def heard(path):
    """The sound as played: the rate, and samples (channels, N) from second 0 on.

    Each packet is at its own time: where a recording left pictures out, two may overlap.
    """
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    places = [round(frame.pts * frame.time_base * rate) for frame in frames]
    pieces = [frame.to_ndarray() for frame in frames]
    samples = np.zeros((len(pieces[0]), places[-1] + pieces[-1].shape[1]), pieces[0].dtype)
    for place, piece in zip(places, pieces, strict=True):
        samples[:, max(place, 0) : place + piece.shape[1]] = piece[:, max(-place, 0) :]
    return rate, samples


def talking(path, *loudness, each=50, codec="aac"):
    """`each` pictures a loudness of a tone, as bright as it is loud, 25 a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, 48000, layout="mono")
        for number in range(each * len(loudness)):
            grey = np.full((72, 64), loudness[number // each] * 16, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
            wave = np.sin(np.arange(1920) * 440 * 2 * np.pi / 48000) * loudness[number // each] / 16
            samples = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 48000, number * 1920
            container.mux(sound.encode(samples))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path
