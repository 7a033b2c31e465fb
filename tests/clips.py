"""Makes small clips for tests: each frame carries its number, so that a test knows which it got."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np

from lanes.video import open_source

BLOCK = 16
BITS = 8


def picture(number, size=(96, 160)):
    """BGR: a gradient with the number's bits as white and black squares in the upper left."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    image = np.stack([columns * 200 // size[1], rows * 200 // size[0], rows * 0 + 90], -1)
    for bit in range(BITS):
        value = 255 if number >> bit & 1 else 0
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = value
    return image.astype(np.uint8)


def number_of(frame):
    """The number that a frame of a source carries."""
    luma = frame.planes[0][:BLOCK, : BITS * BLOCK]
    squares = luma.reshape(BLOCK, BITS, BLOCK)[4:-4, :, 4:-4].mean((0, 2))
    return sum(1 << bit for bit in range(BITS) if squares[bit] > 128)


def make_clip(
    path,
    frames=12,
    size=(96, 160),
    rate=Fraction(25),
    codec="libx264",
    pix_fmt="yuv420p",
    times=None,
    time_base=None,
    options=None,
    audio=None,
    tags=(2, 2, 2, 0),
    aspect=None,
    interlaced=False,
    draw=picture,
    format=None,
    gop=None,
):
    """Write a clip of numbered frames; `times` are in `time_base`, `tags` are matrix, primaries,
    transfer and range, `audio` is a codec's name."""
    time_base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, Fraction(rate), options or {})
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], pix_fmt
        context = stream.codec_context
        context.time_base = time_base
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
        if aspect:
            context.sample_aspect_ratio = aspect
        if gop:
            context.gop_size = gop
        if interlaced:
            context.flags |= av.codec.context.Flags.interlaced_dct
        sound = audio and container.add_stream(audio, 48000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, size), "bgr24").reformat(
                format=pix_fmt, dst_colorspace=tags[0] if tags[0] in (1, 5, 9) else None
            )
            frame.pts = times[number] if times else number
            frame.time_base = time_base
            frame.duration = 0 if times else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            write_tone(container, sound, float(frames / rate))
    return path


def write_tone(container, stream, seconds):
    """Encode a tone of 440 Hz."""
    length = stream.codec_context.frame_size or 1024
    layout = stream.codec_context.format.name
    for start in range(0, int(seconds * 48000), length or 1024):
        wave = np.sin(np.arange(start, start + length) * 440 * 2 * np.pi / 48000) / 4
        samples = np.repeat(wave[None].astype(np.float32), 2, 0)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        frame = av.AudioResampler(layout, "stereo", 48000).resample(frame)[0]
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def set_matrix(path, matrix):
    """Write a, b, c, d into the track header of an mp4, as a phone does."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = (value * 0x10000 for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)


def read(path, *args, **options):
    """All frames of a source, and the source."""
    with open_source(path, *args, **options) as source:
        return list(source), source


def numbers(frames):
    return [number_of(frame) for frame in frames]
