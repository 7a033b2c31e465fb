"""Reading video files and streams."""

from __future__ import annotations

import struct
import threading
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from clips import make_clip, number_of, numbers, picture, read, set_matrix
from lanes.colour import YuvColour, to_bgr
from lanes.errors import BadInput
from lanes.video import VideoSource, open_source

NTSC = Fraction(30000, 1001)
UNTAGGED = YuvColour("bt601", full_range=False)
LOSSLESS = {"qp": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve frames in 25 a second, a key frame every five, with B-frames."""
    return make_clip(tmp_path_factory.mktemp("clips") / "drive.mp4", gop=5)


# ------------------------------------------------------------------ plain files


def test_frames_of_a_file(clip):
    frames, source = read(clip)
    assert numbers(frames) == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    assert {frame.size for frame in frames} == {(96, 160)} == {source.size}
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(n, 25) for n in range(12)]
    assert (source.name, source.rate, source.frames, source.duration) == ("drive", 25, 12, 0.48)
    assert (source.live, source.lost, source.warnings) == (False, 0, [])
    assert source.sample_aspect_ratio == 1
    assert frames[0].colour == source.colour == UNTAGGED
    difference = abs(frames[3].bgr.astype(int) - picture(3))
    assert np.median(difference) <= 3


def test_planes_are_the_frames_own(clip):
    with VideoSource(clip) as source:
        frames = list(source)
    for frame in frames:  # as an overlay does; the decoder predicts from its own copy
        frame.planes[0][:] = 0
    assert numbers(read(clip)[0]) == list(range(12))
    assert [plane.shape for plane in frames[0].planes] == [(96, 160), (48, 80), (48, 80)]
    assert all(plane.flags.writeable and plane.flags.c_contiguous for plane in frames[0].planes)


def test_drawing_on_a_frame_leaves_the_next_ones_alone(clip):
    seen = []
    with VideoSource(clip, threads=1) as source:
        for frame in source:
            seen.append(number_of(frame))
            for plane in frame.planes:
                plane[:] = 255
    assert seen == list(range(12))


def test_a_closed_source_has_no_more_frames(clip):
    source = open_source(clip)
    next(source)
    source.close()
    assert list(source) == []
    source.close()


@pytest.mark.parametrize("rate", [NTSC, Fraction(24000, 1001), Fraction(60000, 1001), Fraction(10)])
def test_rate_stays_exact(tmp_path, rate):
    frames, source = read(make_clip(tmp_path / "a.mp4", rate=rate, frames=30))
    assert source.rate == rate
    assert [frame.pts * frame.time_base for frame in frames] == [n / rate for n in range(30)]


def test_variable_times_stay_exact(tmp_path):
    times = [0, 100, 150, 400, 401, 900, 1000, 1300]
    path = make_clip(tmp_path / "a.mp4", 8, times=times, time_base=Fraction(1, 1000))
    frames, source = read(path)
    assert [frame.pts * frame.time_base * 1000 for frame in frames] == times
    assert source.rate is not None
    assert 4 < source.rate < 8


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_other_formats(tmp_path, name, codec, pix_fmt):
    frames, source = read(make_clip(tmp_path / name, codec=codec, pix_fmt=pix_fmt))
    assert numbers(frames) == list(range(12))
    assert (source.rate, source.lost) == (25, 0)
    steps = {b.pts - a.pts for a, b in zip(frames, frames[1:], strict=False)}
    assert {step * source.time_base for step in steps} == {Fraction(1, 25)}


def test_a_clip_with_a_part_that_players_leave_out(tmp_path):
    """As cut by an editor without re-encoding: packets before the first shown frame."""
    path = make_clip(tmp_path / "a.mp4", gop=12, options={"bf": "0"})
    edited = bytearray(path.read_bytes())
    media_time = edited.index(b"elst") + 16
    start = struct.unpack(">i", edited[media_time : media_time + 4])[0]
    edited[media_time : media_time + 4] = struct.pack(">i", start + 4 * 512)
    path.write_bytes(edited)
    frames, source = read(path)
    assert numbers(frames) == list(range(4, 12))
    assert (source.frames, source.lost, source.warnings) == (8, 0, [])


# ------------------------------------------------------------------ parts of a file


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ({"start": 0.2}, range(5, 12)),  # on a key frame
        ({"start": 0.28}, range(7, 12)),
        ({"start": 0.281}, range(8, 12)),
        ({"end": 0.2}, range(5)),
        ({"end": 9.0}, range(12)),
        ({"max_frames": 3}, range(3)),
        ({"start": 0.12, "end": 0.4, "max_frames": 4}, range(3, 7)),
        ({"start": 0.44}, range(11, 12)),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_cut(tmp_path, name, cut, expected):
    frames, source = read(make_clip(tmp_path / name, gop=5), **cut)
    assert numbers(frames) == list(expected)
    assert [frame.index for frame in frames] == list(range(len(expected)))
    assert source.frames == len(expected)
    assert (source.lost, source.warnings) == (0, [])


def test_cut_at_a_rate_that_is_no_round_number(tmp_path):
    path = make_clip(tmp_path / "a.mp4", rate=NTSC, frames=20)
    assert numbers(read(path, start=float(7 / NTSC))[0]) == list(range(7, 20))


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ({"start": 3}, "after the end"),
        ({"start": -1}, "0 or more"),
        ({"start": 2, "end": 2}, "later end"),
        ({"end": 0}, "later end"),
        ({"max_frames": 0}, "1 or more"),
    ],
)
def test_cut_that_leaves_nothing(clip, cut, message):
    with pytest.raises(BadInput, match=message):
        open_source(clip, **cut)


# ------------------------------------------------------------------ kinds of pixels


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "full_range"),
    [
        ("a.mp4", "libx264", "yuv422p", False),
        ("a.mp4", "libx264", "yuv444p", False),
        ("a.mp4", "libx264", "yuv420p10le", False),
        ("a.mp4", "libx264", "yuvj420p", True),
        ("a.mp4", "libx264", "yuvj444p", True),
        ("a.mp4", "libx264rgb", "rgb24", False),
        ("a.mkv", "ffv1", "bgra", False),
        ("a.avi", "mjpeg", "yuvj422p", True),
    ],
)
def test_pixel_formats(tmp_path, name, codec, pix_fmt, full_range):
    options = LOSSLESS if codec.startswith("libx264") else {"qscale": "1"}
    path = make_clip(tmp_path / name, 3, codec=codec, pix_fmt=pix_fmt, options=options)
    frames, source = read(path)
    assert numbers(frames) == [0, 1, 2]
    assert source.colour == YuvColour("bt601", full_range)
    shown = frames[1].bgr[BELOW_THE_NUMBER].astype(int)
    assert abs(shown - picture(1)[BELOW_THE_NUMBER]).mean() < 2


BELOW_THE_NUMBER = np.s_[20:]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_gray(tmp_path, name):
    codec = "libx264" if name == "a.mp4" else "ffv1"
    path = make_clip(tmp_path / name, 3, codec=codec, pix_fmt="gray")
    frames, source = read(path)
    assert numbers(frames) == [0, 1, 2]
    assert {int(plane.min()) for plane in frames[0].planes[1:]} == {128}
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray()[:96]
    assert (frames[0].planes[0] == stored).all()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("matrix", "number"), [("bt601", 5), ("bt709", 1), ("bt2020", 9)])
def test_colour_tags(tmp_path, pix_fmt, full_range, matrix, number):
    """A colour encoded by hand comes back as the same colour, whatever the tags."""
    colour = YuvColour(matrix, full_range)
    y, u, v = (90, 110, 180)
    expected = to_bgr(
        (np.full((2, 2), y, np.uint8), np.full((1, 1), u, np.uint8), np.full((1, 1), v, np.uint8)),
        colour,
    )[0, 0]
    path = tmp_path / "a.mp4"
    shift = 2 if pix_fmt.endswith("10le") else 0
    kind = np.uint16 if shift else np.uint8
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.colorspace = number
        stream.codec_context.color_range = 2 if full_range else 1
        frame = av.VideoFrame(64, 48, pix_fmt)
        for plane, value in zip(frame.planes, (y, u, v), strict=True):
            lines = np.frombuffer(memoryview(plane), kind)
            lines[:] = value << shift
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, source = read(path)
    assert source.colour == colour
    assert abs(frames[0].bgr.astype(int) - expected).max() <= 2


def test_untagged_large_picture_is_bt709(tmp_path):
    _, source = read(make_clip(tmp_path / "a.mp4", 1, size=(720, 960)))
    assert source.colour == YuvColour("bt709", full_range=False)


def test_wide_colours_in_standard_range_are_read(tmp_path):
    path = make_clip(tmp_path / "a.mp4", 2, pix_fmt="yuv420p10le", tags=(9, 9, 14, 1))
    _, source = read(path)
    assert (source.colour.matrix, source.primaries, source.transfer) == ("bt2020", 9, 14)


@pytest.mark.parametrize("size", [(97, 161), (96, 161), (97, 160)], ids=str)
def test_odd_sizes(tmp_path, size):
    frames, source = read(make_clip(tmp_path / "a.mkv", 3, size, codec="ffv1"))
    assert source.size == size == frames[0].bgr.shape[:2]
    assert frames[0].planes[1].shape == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert numbers(frames) == [0, 1, 2]


def test_pixels_that_are_not_square(tmp_path):
    frames, source = read(make_clip(tmp_path / "a.mp4", 2, aspect=Fraction(4, 3)))
    assert source.sample_aspect_ratio == Fraction(4, 3)
    assert frames[0].size == (96, 160)


# ------------------------------------------------------------------ orientation


def clockwise(image):
    return cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), clockwise),  # a phone held upright
        ((-1, 0, 0, -1), lambda image: clockwise(clockwise(image))),
        ((0, -1, 1, 0), lambda image: clockwise(clockwise(clockwise(image)))),
        ((-1, 0, 0, 1), lambda image: cv2.flip(image, 1)),  # a front camera
        ((1, 0, 0, -1), lambda image: cv2.flip(image, 0)),
        ((0, 1, 1, 0), lambda image: cv2.transpose(image)),
    ],
    ids=["0", "90", "180", "270", "mirror", "flip", "transpose"],
)
def test_rotation_is_undone(tmp_path, matrix, upright):
    path = make_clip(tmp_path / "a.mp4", 3, aspect=Fraction(4, 3))
    set_matrix(path, matrix)
    frames, source = read(path)
    expected = upright(picture(2))
    assert frames[2].size == source.size == expected.shape[:2]
    assert np.median(abs(frames[2].bgr.astype(int) - expected)) <= 3
    turned = expected.shape[:2] != (96, 160)
    assert source.sample_aspect_ratio == (Fraction(3, 4) if turned else Fraction(4, 3))


# ------------------------------------------------------------------ interlaced


def combed(number, size):
    """A bar that moves fast: odd lines show it later than even ones."""
    image = picture(number, size)
    image[40:, :, :] = 40
    for line in range(40, size[0]):
        left = 10 + 12 * number + 6 * (line % 2)
        image[line, left : left + 12] = 200
    return image


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_interlaced_is_made_progressive(tmp_path, name):
    path = make_clip(
        tmp_path / name,
        10,
        codec="libx264",
        interlaced=True,
        draw=combed,
        options={"x264-params": "tff=1", "crf": "10"},
    )
    frames, source = read(path)
    assert numbers(frames) == list(range(10))
    steps = {b.pts - a.pts for a, b in zip(frames, frames[1:], strict=False)}
    assert {step * source.time_base for step in steps} == {Fraction(1, 25)}
    assert any("interlaced" in warning for warning in source.warnings)
    lines = frames[5].planes[0][44:92].astype(int)
    assert abs(np.diff(lines, axis=0)).mean() < 0.5 * comb_of(path)
    assert source.lost == 0


def comb_of(path):
    """The mean difference between neighbouring lines of the stored, combed picture."""
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))[5].to_ndarray()[44:92]
    return abs(np.diff(stored.astype(int), axis=0)).mean()


def test_a_source_may_be_closed_while_a_thread_reads(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=60)
    for _ in range(20):
        source = VideoSource(clip)
        thread = threading.Thread(target=lambda source=source: sum(1 for _ in source))
        thread.start()
        next(source, None)
        source.close()
        thread.join(20)
        assert not thread.is_alive()
        assert next(source, None) is None
