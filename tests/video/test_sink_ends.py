"""Video files that cannot be written, and every way in which writing can end."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from clips import make_clip, numbers, read
from lanes.errors import BadOutput
from lanes.video import VideoSink, VideoSource, check_output
from lanes.video.part import hidden_name
from written_clips import PLAIN, planes_of, sound_of, write

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
        ("nowhere/a.mp4", r"there is no folder .*nowhere; .*mkdir -p"),
        ("file/a.mp4", r"there is no folder .*file"),
        ("folder.mp4", r"folder.mp4 is a folder"),
        ("pipe.mp4", r"pipe.mp4 is a pipe or a device"),
        ("/proc/a.mp4", r"cannot write in /proc \(.*\); choose another folder"),
        ("a" * 300 + ".mp4", r"cannot write in .*too long"),
    ],
)
def test_places_that_cannot_be_written(tmp_path, path, message):
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
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


# ------------------------------------------------------------------ ways to end


def test_the_name_appears_when_the_file_is_whole(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, **PLAIN) as sink:
        sink.write(planes_of(0))
        assert [entry.name for entry in tmp_path.iterdir()] == [".a.part.mp4"]
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


def test_ctrl_c_leaves_a_playable_file(tmp_path):
    talkie = make_clip(tmp_path / "talkie.mp4", 50, audio="aac", gop=10)
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


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_what_is_on_the_disk_plays_at_any_moment(tmp_path, quality, suffix):
    talkie = make_clip(tmp_path / "talkie.mp4", 100, audio="aac")
    sink = VideoSink(tmp_path / f"a{suffix}", **PLAIN, audio_from=talkie, quality=quality)
    with VideoSource(talkie) as source, sink:
        for frame in source:
            sink.write(frame)
            if frame.index in (40, 70, 99):
                killed = tmp_path / f"{frame.index}{suffix}"
                shutil.copy(hidden_name(sink.path), killed)
    for last in (40, 70, 99):
        frames, source = read(tmp_path / f"{last}{suffix}")
        # The cut may lie between frames that are stored in another order than they are shown.
        assert numbers(frames)[:-3] == list(range(len(frames) - 3))
        assert last - 25 <= len(frames) <= last + 1
        steps = np.diff([frame.seconds for frame in frames])[:-3]
        assert steps == pytest.approx(1 / 25, abs=0.0011)
        assert sound_of(tmp_path / f"{last}{suffix}")[-1][0] > last / 25 - 1


def test_an_index_that_cannot_be_moved_is_a_warning(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lanes.video.growing.faststart", full)
    sink = write(tmp_path / "a.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert numbers(read(tmp_path / "a.mp4")[0]) == list(range(6))
    (warning,) = sink.warnings
    assert "its index is not in front (No space left on device)" in warning


def test_no_frames(tmp_path):
    with pytest.raises(BadOutput, match="a.mp4 was not written: it got no frames"):
        write(tmp_path / "a.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_closed_twice_and_written_after(tmp_path):
    sink = write(tmp_path / "a.mp4")
    sink.close()
    sink.abort()
    with pytest.raises(BadOutput, match="is already closed"):
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
    """A system limit on file size causes a real error, like a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED_PROCESS, str(tmp_path / "a.mp4"), str(frames)],
        preexec_fn=limit,  # noqa: PLW1509
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert "a.mp4 cannot be written: File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []
