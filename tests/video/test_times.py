"""Times and numbers of frames: as the file says, counted, given, or measured."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from clips import make_clip, numbers, read
from lanes.errors import BadInput
from lanes.video import open_source
from streams import MjpegServer
from written_clips import copy

UNEVEN = [0, 3, 4, 9, 10, 11, 12, 25, 26, 27, 40, 41, 60, 61, 62, 63, 64, 90, 91, 92]
"""Times of frames, in 1/25 s."""


def uneven(path, **options):
    return make_clip(path, len(UNEVEN), times=UNEVEN, **options)


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("start", [0.01, 0.36, 1.0, 1.7, 2.4, 3.6, 3.68])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.ts", "libx265"),
        ("a.avi", "mpeg4"),
        ("a.webm", "libvpx"),
    ],
)
def test_frames_are_numbered_in_the_whole_input(tmp_path, name, codec, start):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = uneven(tmp_path / name, codec=codec, gop=5, options=options)
    frames, source = read(path, start=start)
    expected = [n for n, time in enumerate(UNEVEN) if time / 25 >= start]
    assert numbers(frames) == expected
    assert source.first == expected[0]


def test_numbers_in_an_open_gop(tmp_path):
    """Some pictures are shown before the key frame that they follow in the file."""
    options = {"x265-params": "open-gop=1:keyint=10:min-keyint=10:bframes=3:log-level=none"}
    for name in ("a.mp4", "a.ts", "a.mkv"):
        path = make_clip(tmp_path / name, 60, codec="libx265", options=options)
        for start in (0.8, 1.16, 1.2, 1.24, 2.0):
            frames, source = read(path, start=start)
            assert source.first == numbers(frames)[0] == round(start * 25)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_numbers_in_a_stream_that_begins_between_key_frames(tmp_path, codec):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make_clip(tmp_path / "a.ts", 100, codec=codec, gop=20, options=options)
    content = path.read_bytes()
    third = len(content) // 3 // 188 * 188
    path.write_bytes(content[: 3 * 188] + content[third:])
    whole, source = read(path)
    assert (source.first, source.lost) == (0, 0)
    for start in (0.4, 1.2, 1.7):
        frames, source = read(path, start=start)
        assert numbers(frames) == numbers(whole)[source.first :]
        assert source.lost == 0
    assert len(frames) < len(whole)


def test_a_part_in_a_later_recording_of_a_joined_file(tmp_path):
    part = make_clip(tmp_path / "part.ts", 50, gop=10).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    frames, source = read(path, start=2.4, end=2.8)
    assert (numbers(frames), source.first) == (list(range(10, 20)), 60)


# ------------------------------------------------------------------ streams without times


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001)])
def test_raw_streams_keep_their_own_rate(tmp_path, codec, rate):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    name = {"libx264": "a.h264", "libx265": "a.hevc", "mpeg2video": "a.m2v"}[codec]
    frames, source = read(make_clip(tmp_path / name, 12, rate=rate, codec=codec, options=options))
    assert (source.rate, source.lost, source.warnings) == (rate, 0, [])
    assert [frame.pts * frame.time_base for frame in frames] == [n / rate for n in range(12)]
    assert numbers(frames) == list(range(12))


def test_a_rate_may_be_given_where_there_is_none(tmp_path):
    path = make_clip(tmp_path / "a.mjpeg", 12, codec="mjpeg", pix_fmt="yuvj420p")
    _, source = read(path)
    assert source.rate == 25
    assert any("no frame rate: 25 FPS are assumed" in warning for warning in source.warnings)
    frames, source = read(path, fps=29.97, start=0.2)
    assert (source.rate, source.first, source.warnings) == (Fraction(30000, 1001), 6, [])
    assert numbers(frames) == list(range(6, 12))
    assert frames[0].pts * frames[0].time_base == 6 / source.rate


def test_a_rate_is_refused_where_there_are_times(tmp_path):
    path = make_clip(tmp_path / "a.mp4", 2)
    with pytest.raises(BadInput, match="times of its own; leave out --fps"):
        open_source(path, fps=20)
    with pytest.raises(BadInput, match="--fps does not go with a camera"):
        open_source("0", fps=20)
    raw = make_clip(tmp_path / "a.h264", 2)
    with pytest.raises(BadInput, match="got 0 frames a second"):
        open_source(raw, fps=0)


def test_a_live_stream_without_times_has_those_of_arrival():
    with MjpegServer(rate=10) as server, open_source(server.url, seconds=1.5) as source:
        frames = list(source)
    assert source.rate is None
    assert 8 <= len(frames) <= 16
    assert 1 < frames[-1].seconds - frames[0].seconds < 1.5


# ------------------------------------------------------------------ the last frame


@pytest.mark.parametrize(
    ("times", "seconds"), [([*range(20), 2000], 80.04), ([*range(50), *range(125, 149)], 5.96)]
)
def test_the_last_frame_lasts_as_long_as_most(tmp_path, times, seconds):
    path = make_clip(tmp_path / "in.mp4", len(times), times=times)
    _, sink = copy(path, tmp_path / "out.mp4")
    assert sink.seconds == pytest.approx(seconds)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(seconds)
