"""Writing video files."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from clips import make_clip, numbers, picture, read
from lanes.colour import YuvColour, from_bgr, yuv_of
from lanes.types import Frame
from lanes.video import ImagesSource, VideoSink, VideoSource
from written_clips import LIMITED, PLAIN, copy, planes_of, stream_of, write


def seconds(frames):
    return [frame.pts * frame.time_base for frame in frames]


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_frames_come_back(tmp_path, quality, suffix):
    path = tmp_path / f"a{suffix}"
    sink = write(path, 30, quality=quality)
    frames, source = read(path)
    assert numbers(frames) == list(range(30))
    stored = stream_of(path)
    assert (stored["codec"], stored["pix_fmt"], stored["size"]) == ("h264", "yuv420p", (96, 160))
    assert (source.rate, source.lost, sink.frames, sink.warnings) == (25, 0, 30, [])
    assert list(tmp_path.iterdir()) == [path]
    steps = {b - a for a, b in zip(seconds(frames), seconds(frames)[1:], strict=False)}
    assert steps == {Fraction(1, 25)}


def test_index_is_in_front(tmp_path):
    write(tmp_path / "a.mp4")
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("quality", "settings"),
    [
        ("fast", [b"qp=22", b"subme=0", b"cabac=0"]),  # ultrafast
        ("balanced", [b"crf=21.0", b"subme=2", b"cabac=1"]),  # veryfast
        ("best", [b"crf=18.0", b"subme=7", b"cabac=1"]),  # medium
    ],
)
def test_quality_sets_the_encoder_options(tmp_path, quality, settings):
    write(tmp_path / "a.mp4", 2, quality=quality)
    content = (tmp_path / "a.mp4").read_bytes()
    assert all(setting in content for setting in settings)


@pytest.mark.parametrize("quality", ["fast", "best"])
@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(10), Fraction(15, 2)]
)
def test_rate_stays_exact(tmp_path, rate, quality):
    make_clip(tmp_path / "in.mp4", 20, rate=rate)
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4", quality=quality)
    frames, source = read(tmp_path / "out.mp4")
    assert source.rate == stream_of(tmp_path / "out.mp4")["rate"] == rate
    assert seconds(frames) == [n / rate for n in range(20)]


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 1000000)])
def test_variable_times_stay_exact(tmp_path, quality, time_base):
    times = [0, 100, 150, 400, 401, 900, 1000, 1300, 1301, 1302, 2000, 2040]
    make_clip(tmp_path / "in.mp4", 12, times=times, time_base=Fraction(1, 1000))
    with VideoSource(tmp_path / "in.mp4") as source:
        sink = VideoSink(
            tmp_path / "out.mp4",
            **PLAIN | {"rate": source.rate},
            time_base=time_base,
            quality=quality,
        )
        with sink:
            for frame in source:
                sink.write(frame)
    frames, _ = read(tmp_path / "out.mp4")
    assert numbers(frames) == list(range(12))
    assert [time * 1000 for time in seconds(frames)] == times


def test_times_that_do_not_rise_are_made_to(tmp_path):
    with VideoSink(tmp_path / "a.mp4", **PLAIN, time_base=Fraction(1, 1000)) as sink:
        for number, pts in enumerate([0, 40, 40, 39, 80]):
            sink.write(Frame(planes_of(number), LIMITED, number, pts, Fraction(1, 1000)))
    frames, _ = read(tmp_path / "a.mp4")
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert [time * 1000 for time in seconds(frames)] == [0, 40, 41, 42, 80]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("matrix", "tags"), [("bt601", (6, 6, 6)), ("bt709", (1, 1, 1)), ("bt2020", (9, 9, 14))]
)
def test_colour_tags(tmp_path, matrix, tags, full_range):
    colour = YuvColour(matrix, full_range)
    write(tmp_path / "a.mp4", 2, colour=colour, quality="best")
    stored = stream_of(tmp_path / "a.mp4")
    assert stored["tags"] == tags
    assert stored["range"] == (2 if full_range else 1)
    frames, source = read(tmp_path / "a.mp4")
    assert source.colour == colour
    assert np.median(abs(frames[1].bgr.astype(int) - picture(1))) <= 3


def test_tags_of_the_source_are_kept(tmp_path):
    make_clip(tmp_path / "in.mp4", 2, tags=(5, 1, 13, 1))
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert stream_of(tmp_path / "out.mp4")["tags"] == (6, 1, 13)  # 5 and 6 are one matrix


def test_full_range_stays_full(tmp_path):
    make_clip(tmp_path / "in.mp4", 2, pix_fmt="yuvj420p")
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4", quality="best")
    before, _ = read(tmp_path / "in.mp4")
    after, source = read(tmp_path / "out.mp4")
    assert source.colour.full_range
    assert abs(after[1].planes[0].astype(int) - before[1].planes[0]).mean() < 1


def test_pixels_that_are_not_square(tmp_path):
    make_clip(tmp_path / "in.mp4", 2, aspect=Fraction(4, 3))
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert stream_of(tmp_path / "out.mp4")["aspect"] == Fraction(4, 3)


@pytest.mark.parametrize(
    "size", [(97, 161), (96, 161), (97, 160), (98, 160), (1, 1), (2, 2), (17, 33)], ids=str
)
def test_odd_sizes_get_their_last_line_twice(tmp_path, size):
    write(tmp_path / "a.mp4", 3, size=size, quality="best")
    frames, source = read(tmp_path / "a.mp4")
    even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert (len(frames), source.size) == (3, even)
    luma = frames[2].planes[0].astype(int)
    original = np.pad(
        planes_of(2, size)[0].astype(int), [(0, even[0] - size[0]), (0, even[1] - size[1])], "edge"
    )
    assert abs(luma - original).mean() < 1


def test_other_sizes_are_letterboxed(tmp_path):
    sizes = [(96, 160), (192, 160), (48, 160), (31, 33)]
    with VideoSink(tmp_path / "a.mp4", **PLAIN, quality="best") as sink:
        for number, size in enumerate(sizes):
            white = from_bgr(np.full((*size, 3), 255, np.uint8), LIMITED)
            sink.write(Frame(white, LIMITED, number, number, Fraction(1, 25)))
    frames, _ = read(tmp_path / "a.mp4")
    assert {frame.size for frame in frames} == {(96, 160)}
    tall, wide, small = (frame.planes[0] > 128 for frame in frames[1:])
    assert tall.any(0).nonzero()[0].tolist() == list(range(40, 120))
    assert tall.any(1).all()
    assert wide.any(1).nonzero()[0].tolist() == list(range(24, 72))
    assert small.any(0).sum() == 102  # 96 * 33 / 31
    black = frames[1].planes[0][:, :38]
    assert abs(black.astype(int) - 16).max() <= 2
    assert all(abs(plane.astype(int) - 128).max() <= 3 for plane in frames[1].planes[1:])


def test_bare_planes_of_another_size_are_letterboxed(tmp_path):
    write(tmp_path / "a.mp4", 2, sizes=[(96, 160), (96, 320)])
    frames, _ = read(tmp_path / "a.mp4")
    assert frames[1].planes[0][:20].max() < 25
    assert frames[1].planes[0][40:56].mean() > 60


def test_letterbox_of_full_range_is_black_there(tmp_path):
    colour = YuvColour("bt709", full_range=True)
    with VideoSink(tmp_path / "a.mp4", **PLAIN | {"colour": colour}) as sink:
        for number, size in enumerate([(96, 160), (96, 80)]):
            planes = from_bgr(np.full((*size, 3), 200, np.uint8), colour)
            sink.write(Frame(planes, colour, number, number, Fraction(1, 25)))
    frames, _ = read(tmp_path / "a.mp4")
    assert frames[1].planes[0][:, :38].max() <= 2


def test_frames_of_another_colour_are_converted(tmp_path):
    other = YuvColour("bt709", full_range=True)
    red = np.full((96, 160, 3), (30, 30, 220), np.uint8)
    with VideoSink(tmp_path / "a.mp4", **PLAIN, quality="best") as sink:
        for number, colour in enumerate((LIMITED, other)):
            sink.write(Frame(from_bgr(red, colour), colour, number, number, Fraction(1, 25)))
    frames, _ = read(tmp_path / "a.mp4")
    for plane, value in zip(frames[1].planes, yuv_of((30, 30, 220), LIMITED), strict=True):
        assert abs(plane.astype(int) - value).max() <= 3


def test_images_of_several_sizes_become_one_video(tmp_path):
    import cv2

    for number, size in enumerate([(97, 161), (200, 160), (96, 160)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number, size))
    with ImagesSource(tmp_path) as source, VideoSink.like(source, tmp_path / "a.mp4") as sink:
        for frame in source:
            sink.write(frame)
    frames, _ = read(tmp_path / "a.mp4")
    assert {frame.size for frame in frames} == {(98, 162)}
    assert len(frames) == 3


def test_drawn_frames_are_written_from_any_memory(tmp_path):
    with VideoSink(tmp_path / "a.mp4", **PLAIN) as sink:
        for number in range(3):
            frame = Frame(planes_of(number), LIMITED, number, number, Fraction(1, 25))
            y, u, v = (np.asfortranarray(plane) for plane in frame.planes)
            sink.write(dataclasses.replace(frame, planes=(y, u, v)))
    assert numbers(read(tmp_path / "a.mp4")[0]) == [0, 1, 2]
