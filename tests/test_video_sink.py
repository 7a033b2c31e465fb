"""Writing video files."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clips import make_clip, number_of, picture
from lanes.colour import YuvColour, from_bgr, yuv_of
from lanes.errors import BadOutput
from lanes.types import Frame
from lanes.video import ImagesSource, VideoSink, VideoSource, check_output, open_source

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


def read(path, **options):
    with VideoSource(path, **options) as source:
        return list(source), source


def numbers(frames):
    return [number_of(frame) for frame in frames]


def seconds(frames):
    return [frame.pts * frame.time_base for frame in frames]


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


# ------------------------------------------------------------------ what is written


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
        ("fast", [b"crf=23.0", b"subme=0", b"cabac=0"]),  # ultrafast
        ("balanced", [b"crf=21.0", b"subme=2", b"cabac=1"]),  # veryfast
        ("best", [b"crf=18.0", b"subme=7", b"cabac=1"]),  # medium
    ],
)
def test_quality_is_what_the_encoder_notes(tmp_path, quality, settings):
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


# ------------------------------------------------------------------ sound


@pytest.fixture
def talkie(tmp_path):
    """50 frames in two seconds, with sound."""
    return make_clip(tmp_path / "talkie.mp4", 50, audio="aac", gop=10)


@pytest.mark.parametrize("quality", ["fast", "best"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_is_copied(tmp_path, talkie, suffix, quality):
    out = tmp_path / f"out{suffix}"
    _, sink = copy(talkie, out, audio_from=talkie, quality=quality)
    before, after = sound_of(talkie), sound_of(out)
    assert [packet for _, packet in after] == [packet for _, packet in before]
    shift = after[0][0] - before[0][0]
    assert [time for time, _ in after] == pytest.approx(
        [time + shift for time, _ in before], abs=0.002
    )
    with av.open(str(out)) as container:
        video = container.streams.video[0]
        first = float(next(container.decode(video)).pts * video.time_base)
    assert first == pytest.approx(shift, abs=0.002)  # together, as they were
    assert sink.warnings == []
    assert numbers(read(out)[0]) == list(range(50))


def test_sound_of_a_part(tmp_path, talkie):
    out = tmp_path / "out.mp4"
    copy(talkie, out, audio_from=talkie, start=0.6, end=1.2)
    before, after = sound_of(talkie), sound_of(out)
    assert numbers(read(out)[0]) == list(range(15, 30))
    packets = [packet for _, packet in before]
    first = packets.index(after[0][1])
    assert [packet for _, packet in after] == packets[first : first + len(after)]
    assert after[0][0] == pytest.approx(before[first][0] - 0.6, abs=0.001)
    assert -0.05 < after[0][0] <= 0
    assert 0.55 < after[-1][0] < 0.6


def test_sound_lies_beside_its_pictures(tmp_path):
    """Else a player of a stream would have to jump about in the file."""
    path = make_clip(tmp_path / "in.mp4", 150, audio="aac")
    copy(path, tmp_path / "out.mp4", audio_from=path, quality="best")
    with av.open(str(tmp_path / "out.mp4")) as container:
        last = {"video": 0.0, "audio": 0.0}
        for packet in container.demux():
            if packet.size:
                last[packet.stream.type] = float(packet.dts * packet.time_base)
                assert abs(last["video"] - last["audio"]) < 1.5


def test_sound_from_a_transport_stream(tmp_path):
    path = make_clip(tmp_path / "in.ts", 50, audio="aac")
    copy(path, tmp_path / "out.mp4", audio_from=path)
    assert len(sound_of(tmp_path / "out.mp4")) > 80
    assert stream_of(tmp_path / "out.mp4")["start"] == 0


def test_sound_of_a_part_of_a_transport_stream(tmp_path):
    path = make_clip(tmp_path / "in.ts", 100, audio="aac", gop=10)
    copy(path, tmp_path / "out.mp4", audio_from=path, start=2.4)
    after = sound_of(tmp_path / "out.mp4")
    assert numbers(read(tmp_path / "out.mp4")[0]) == list(range(60, 100))
    assert -0.05 < after[0][0] <= 0.03
    assert after[-1][0] > 1.5


def test_sound_that_is_refused_later_ends(tmp_path, talkie):
    class Choosy:
        def mux(self, packet):
            raise av.error.InvalidDataError(1, "Malformed")

    with VideoSink(tmp_path / "a.mp4", **PLAIN, audio_from=talkie) as sink:
        sink._audio._output = Choosy()
        for number in range(10):
            sink.write(planes_of(number))
    assert sink.warnings == [f"the sound of {talkie} is cut: Malformed"]
    assert len(read(tmp_path / "a.mp4")[0]) == 10


@pytest.mark.parametrize("codec", ["libmp3lame", "ac3", "libopus"])
def test_other_sounds(tmp_path, codec):
    path = make_clip(tmp_path / "in.mkv", 50, audio=codec)
    _, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert len(sound_of(tmp_path / "out.mp4")) > 40
    assert sink.warnings == []


def test_sound_that_mp4_cannot_hold_is_left_out(tmp_path):
    path = make_clip(tmp_path / "in.avi", 10, audio="adpcm_ms")
    _, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert sound_of(tmp_path / "out.mp4") == []
    assert len(sink.warnings) == 1
    assert "adpcm_ms) is left out: mp4 files cannot hold it" in sink.warnings[0]
    assert "-c:v copy -c:a aac in_converted.mp4" in sink.warnings[0]


def test_sound_of_a_file_without(tmp_path):
    path = make_clip(tmp_path / "in.mp4", 10)
    _, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert (sink.frames, sink.warnings) == (10, [])


def test_sound_that_cannot_be_opened_is_left_out(tmp_path):
    sink = write(tmp_path / "a.mp4", audio_from=tmp_path / "gone.mp4")
    assert len(sink.warnings) == 1
    assert "gone.mp4 is left out: No such file" in sink.warnings[0]
    assert len(read(tmp_path / "a.mp4")[0]) == 6
    assert write(tmp_path / "b.mp4", audio_from="rtsp://127.0.0.1/a").warnings == []


def test_sound_of_a_damaged_file(tmp_path, talkie):
    content = bytearray(talkie.read_bytes())
    rng = np.random.default_rng(0)
    for place in range(content.index(b"mdat") + 3000, content.index(b"moov") - 8, 61):
        content[place] = rng.integers(256)
    talkie.write_bytes(content)
    source, sink = copy(talkie, tmp_path / "out.mp4", audio_from=talkie)
    assert sink.frames + source.lost >= 50
    assert len(sound_of(tmp_path / "out.mp4")) > 80


# ------------------------------------------------------------------ places that cannot be written


def test_overwrite_rules(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("precious")
    with pytest.raises(BadOutput, match=r"a.mp4 exists already; overwrite it \(--overwrite\)"):
        write(path)
    assert path.read_text() == "precious"
    write(path, overwrite=True)
    assert len(read(path)[0]) == 6


def test_output_is_the_input(tmp_path):
    path = make_clip(tmp_path / "a.mp4", 2)
    link = tmp_path / "b.mp4"
    link.symlink_to(path)
    for out in (path, link, tmp_path / "." / "a.mp4"):
        with pytest.raises(BadOutput, match="is the input itself"):
            check_output(out, overwrite=True, inputs=[path])
        with pytest.raises(BadOutput, match="is the input itself"):
            write(out, overwrite=True, audio_from=path)
    assert check_output(tmp_path / "c.mp4", inputs=[path, tmp_path / "gone.mp4"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.avi", r"a.avi must end in one of .mp4, .mov, .mkv, such as a.mp4"),
        ("a", r"must end in one of"),
        ("nowhere/a.mp4", r"there is no folder .*nowhere; make it first: mkdir -p"),
        ("file/a.mp4", r"there is no folder .*file"),
        ("folder.mp4", r"folder.mp4 is a folder"),
        ("/proc/a.mp4", r"nothing can be written in /proc \(.*\); choose another folder"),
        ("a" * 300 + ".mp4", r"nothing can be written in .*too long"),
    ],
)
def test_places_that_cannot_be_written(tmp_path, path, message):
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadOutput, match=message):
        check_output(tmp_path / path)
    with pytest.raises(BadOutput, match=message):
        write(tmp_path / path)
    assert sorted(tmp_path.iterdir()) == before


def test_the_longest_name(tmp_path):
    write(tmp_path / ("a" * 251 + ".mp4"))
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_check_output_leaves_nothing(tmp_path):
    assert check_output(str(tmp_path / "a.mp4")) == tmp_path / "a.mp4"
    assert list(tmp_path.iterdir()) == []


def test_names_that_look_like_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("12:30.mp4", "a%d.mp4", "ünïcode 日.mp4", "-o.mp4"):
        write(name)
        assert len(read(name)[0]) == 6


# ------------------------------------------------------------------ ends of all kinds


def test_the_name_appears_when_the_file_is_whole(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, **PLAIN) as sink:
        sink.write(planes_of(0))
        assert [entry.name for entry in tmp_path.iterdir()] == [f".a.part-{os.getpid()}.mp4"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    with pytest.raises(ZeroDivisionError), VideoSink(path, **PLAIN) as sink:  # noqa: PT012
        sink.write(planes_of(0))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("precious")
    with pytest.raises(ZeroDivisionError), VideoSink(path, **PLAIN, overwrite=True):
        raise ZeroDivisionError
    assert path.read_text() == "precious"


def test_ctrl_c_leaves_a_playable_file(tmp_path, talkie):
    path = tmp_path / "a.mp4"
    sink = VideoSink(path, **PLAIN, audio_from=talkie, quality="best")
    with pytest.raises(KeyboardInterrupt), VideoSource(talkie) as source, sink:  # noqa: PT012
        for frame in source:
            sink.write(frame)
            if frame.index == 19:
                raise KeyboardInterrupt
    frames, source = read(path)
    assert numbers(frames) == list(range(20))
    assert source.lost == 0
    assert 0.7 < sound_of(path)[-1][0] < 0.8
    assert sorted(tmp_path.iterdir()) == [path, talkie]


def test_ctrl_c_before_the_first_frame_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoSink(tmp_path / "a.mp4", **PLAIN):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_finishing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VideoSink(tmp_path / "a.mp4", **PLAIN) as sink:  # noqa: PT012
        sink.write(planes_of(0))
        monkeypatch.setattr(sink, "_mux", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_no_frames(tmp_path):
    with pytest.raises(BadOutput, match="a.mp4 is not written: there was no frame"):
        write(tmp_path / "a.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_closed_twice_and_written_after(tmp_path):
    sink = write(tmp_path / "a.mp4")
    sink.close()
    sink.abort()
    with pytest.raises(BadOutput, match="is closed already"):
        sink.write(planes_of(0))
    assert len(read(tmp_path / "a.mp4")[0]) == 6


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, r"the disk is full \(\d+ MiB free in"), (errno.EIO, "Input/output error")],
)
def test_write_that_fails(tmp_path, monkeypatch, code, message):
    def failing(*_):
        raise av.FFmpegError(code, os.strerror(code))

    with pytest.raises(BadOutput, match=message), VideoSink(tmp_path / "a.mp4", **PLAIN) as sink:  # noqa: PT012
        sink.write(planes_of(0))
        monkeypatch.setattr(sink, "_mux", failing)
        sink.write(planes_of(1))
    assert list(tmp_path.iterdir()) == []


def test_encoder_that_refuses(tmp_path):
    with pytest.raises(BadOutput, match=r"a.mp4 cannot be written: .*"):
        write(tmp_path / "a.mp4", size=(20000, 20000))
    assert list(tmp_path.iterdir()) == []


LIMITED_PROCESS = """
import sys
import numpy as np
from fractions import Fraction
from lanes.colour import YuvColour, empty_planes
from lanes.video import VideoSink
from lanes.errors import BadOutput

rng = np.random.default_rng(0)
try:
    with VideoSink(sys.argv[1], size=(256, 256), rate=Fraction(25),
                   colour=YuvColour("bt601", False)) as sink:
        for _ in range(int(sys.argv[2])):
            planes = empty_planes((256, 256))
            for plane in planes:
                plane[:] = rng.integers(0, 256, plane.shape)
            sink.write(planes)
except BadOutput as error:
    print(error)
"""


@pytest.mark.parametrize("frames", [1, 100], ids=["while finishing", "while writing"])
def test_file_that_may_not_grow(tmp_path, frames):
    """A limit of the system on the size of files: fails as a full disk does, by a real error."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED_PROCESS, str(tmp_path / "a.mp4"), str(frames)],
        preexec_fn=limit,  # noqa: PLW1509
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert "a.mp4 cannot be written: File too large; nothing is left of the file" in done.stdout
    assert list(tmp_path.iterdir()) == []
