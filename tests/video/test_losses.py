"""Which frames count as lost: those that were recorded and cannot be shown."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest

from clips import make_clip, numbers, read
from lanes.video import VideoSource
from lanes.video.faststart import faststart
from lanes.video.losses import Losses

PACKET = 188
"""Bytes of a packet of an MPEG transport stream."""


def cut_out(path, begin=0.5, end=0.62):
    """Remove a part of a transport stream, as bad reception does."""
    content = path.read_bytes()
    first, last = (int(len(content) // PACKET * share) * PACKET for share in (begin, end))
    path.write_bytes(content[:first] + content[last:])
    return path


def transport_stream(path, codec, frames=100):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    return make_clip(path, frames, codec=codec, gop=25, options=options)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_frames_missing_in_a_stream_are_counted(tmp_path, codec):
    path = cut_out(transport_stream(tmp_path / "a.ts", codec))
    frames, source = read(path)
    assert 5 < source.lost == 100 - len(frames)
    assert any(f"{source.lost} frames of" in warning for warning in source.warnings)


@pytest.mark.parametrize("cut", [{"end": 3.2}, {"seconds": 3.2}, {"start": 0.8}, {"start": 2}])
def test_losses_are_those_of_the_part(tmp_path, cut):
    path = cut_out(transport_stream(tmp_path / "a.ts", "libx265"))
    frames, source = read(path, **cut)
    stop = cut.get("end", cut.get("seconds", 4.0))
    assert len(frames) + source.lost == round(25 * (stop - cut.get("start", 0)))
    assert source.lost > 5


def test_losses_after_the_part_do_not_count(tmp_path):
    path = cut_out(transport_stream(tmp_path / "a.ts", "libx265"))
    assert read(path, end=1.0)[1].warnings == []
    assert read(path, max_frames=20)[1].warnings == []


def test_losses_count_however_a_source_ends(tmp_path):
    path = cut_out(transport_stream(tmp_path / "a.ts", "libx265"))
    frames, source = read(path, max_frames=60)
    last = round((frames[-1].seconds - frames[0].seconds) * 25)
    assert source.lost == last + 1 - 60 > 5
    with VideoSource(path) as left:
        for _ in range(60):
            next(left)
    assert left.lost == source.lost


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_frames_that_a_camera_dropped_are_no_loss(tmp_path, codec):
    """An AVI's header counts them."""
    kind = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    times = [0, *range(2, 30), *range(33, 54)]
    path = make_clip(tmp_path / "a.avi", 50, codec=codec, pix_fmt=kind, times=times)
    frames, source = read(path)
    assert (numbers(frames), source.frames) == (list(range(50)), 54)
    assert (source.lost, source.warnings) == (0, [])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_pauses_are_no_loss(tmp_path, name):
    times = [*range(20), *range(60, 80), 200]
    frames, source = read(make_clip(tmp_path / name, 41, times=times))
    assert (len(frames), source.lost, source.warnings) == (41, 0, [])


def test_pictures_that_others_only_refer_to_are_no_loss(tmp_path):
    options = {"auto-alt-ref": "1", "lag-in-frames": "16"}
    frames, source = read(make_clip(tmp_path / "a.webm", 50, codec="libvpx", options=options))
    assert (len(frames), source.lost) == (50, 0)


@pytest.mark.parametrize("count", [10, 50])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_recordings_joined_lose_nothing(tmp_path, codec, count):
    part = transport_stream(tmp_path / "part.ts", codec, count).read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part + part)
    frames, source = read(path)
    assert (numbers(frames), source.lost) == (list(range(count)) * 3, 0)
    steps = {b.pts - a.pts for a, b in zip(frames, frames[1:], strict=False)}
    assert steps == {3600}


def test_frames_missing_in_an_avi_are_counted(tmp_path):
    path = make_clip(tmp_path / "a.avi", 100, codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    frames, source = read(path)
    assert 2 < source.lost == 100 - len(frames)
    assert read(path, end=1)[1].lost == 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("share", [0.7, 0.8, 0.9])
def test_an_mp4_that_is_cut_off(tmp_path, share, threads):
    """Decoders with threads meet the cut frame only at the end, with others that they hold."""
    path = make_clip(tmp_path / "a.mp4", 50, options={"bf": "2"})
    fast = tmp_path / "fast.mp4"
    assert faststart(path, fast, "mp4", lambda: inf)
    fast.write_bytes(fast.read_bytes()[: int(fast.stat().st_size * share)])
    frames, source = read(fast, threads=threads)
    assert 5 < source.lost == 50 - len(frames)


def test_an_avi_that_is_cut_off(tmp_path):
    path = make_clip(tmp_path / "a.avi", 100, codec="mjpeg", pix_fmt="yuvj420p")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames, source = read(path)
    assert 40 < source.lost == 100 - len(frames)


def test_a_damaged_time_is_no_loss_of_hours():
    losses = Losses(step=1, second=25)
    for time in (0, 1, 2):
        losses.came(time, damaged=False)
    losses.failed(SimpleNamespace(pts=3))
    losses.came(5, damaged=False)
    assert losses.times == [3, 4]
    losses.came(90_000, damaged=False)
    assert losses.times == [3, 4]


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_losses_before_the_part_do_not_count(tmp_path, codec):
    path = cut_out(transport_stream(tmp_path / "a.ts", codec), 0.3, 0.4)
    frames, source = read(path, start=1.88, end=3)
    assert (len(frames), source.lost) == (28, 0)
