"""Reading damaged files, files that are not videos, and addresses that end or never answer."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from clips import make_clip, numbers, picture, read, write_tone
from lanes.errors import BadInput, BadVideo
from lanes.video import VideoSource, open_source
from lanes.video.opening import shown


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve frames in 25 a second, a key frame every five, with B-frames."""
    return make_clip(tmp_path_factory.mktemp("clips") / "drive.mp4", gop=5)


# ------------------------------------------------------------------ damage


def noisy(number, size):
    """A picture that is hard to compress, so that pictures make up most of the file."""
    image = picture(number, size)
    rng = np.random.default_rng(number)
    image[20:] = rng.integers(0, 256, image[20:].shape, dtype=np.uint8)
    return image


@pytest.fixture(scope="module")
def long_content(tmp_path_factory):
    """The bytes of an mp4 of 100 frames with the index in front."""
    folder = tmp_path_factory.mktemp("long")
    fast = {"preset": "ultrafast"}
    path = make_clip(folder / "long.mp4", 100, draw=noisy, gop=10, options=fast)
    front = folder / "front.mp4"
    with (
        av.open(str(path)) as old,
        av.open(str(front), "w", container_options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return front.read_bytes()


@pytest.fixture
def long_clip(tmp_path, long_content):
    """A file of 100 frames with the index in front, to be damaged."""
    path = tmp_path / "long.mp4"
    path.write_bytes(long_content)
    return path


def test_a_truncated_file_gives_its_frames_and_a_warning(long_clip):
    content = long_clip.read_bytes()
    long_clip.write_bytes(content[: len(content) * 6 // 10])
    frames, source = read(long_clip)
    assert 50 < len(frames) < 70
    assert numbers(frames[:50]) == list(range(50))
    assert source.frames == 100
    assert source.lost == 100 - len(frames)
    assert any(f"{source.lost} frames of" in warning for warning in source.warnings)


def test_file_cut_off_in_the_part_that_is_not_asked_for_is_no_loss(long_clip):
    content = long_clip.read_bytes()
    long_clip.write_bytes(content[: len(content) * 6 // 10])
    frames, source = read(long_clip, end=1.0)
    assert (len(frames), source.lost, source.warnings) == (25, 0, [])


def test_damage_in_the_middle_is_passed(long_clip):
    content = bytearray(long_clip.read_bytes())
    rng = np.random.default_rng(0)
    for place in range(len(content) * 4 // 10, len(content) * 5 // 10, 97):
        content[place : place + 40] = rng.bytes(40)
    long_clip.write_bytes(content)
    frames, source = read(long_clip)
    assert len(frames) > 80
    assert numbers(frames)[-20:] == list(range(80, 100))
    assert source.lost == 100 - len(frames)
    assert source.warnings


def test_matroska_file_cut_off(tmp_path):
    path = make_clip(tmp_path / "a.mkv", 100, draw=noisy, options={"preset": "ultrafast"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames, source = read(path)
    assert 30 < len(frames) < 70
    assert abs(source.lost + len(frames) - 100) <= 1


def test_random_damage_never_hangs(tmp_path, clip):
    content = clip.read_bytes()
    rng = np.random.default_rng(5)
    for trial in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 1 + trial):
            damaged[place] = rng.integers(256)
        path = tmp_path / "damaged.mp4"
        path.write_bytes(damaged)
        try:
            read(path)
        except BadInput as error:
            assert "damaged.mp4" in str(error)  # noqa: PT017


def test_recordings_joined_go_on_in_time(tmp_path):
    part = make_clip(tmp_path / "part.ts", 40, codec="mpeg2video").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    frames, _ = read(path)
    times = [frame.pts for frame in frames]
    assert len(times) >= 78
    assert times == sorted(set(times))


# ------------------------------------------------------------------ not a video


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *((f"a.{suffix}", "libx264") for suffix in ("mp4", "mov", "mkv", "avi", "ts")),
        *((f"a.{suffix}", "libx264") for suffix in ("flv", "nut", "mxf", "h264")),
        *((f"a.{suffix}", "mpeg2video") for suffix in ("mpg", "vob", "m2v")),
        *((f"a.{suffix}", "mpeg4") for suffix in ("3gp", "m4v", "wmv")),
        ("a.webm", "libvpx"),
        ("a.ivf", "libvpx"),
        ("a.y4m", "wrapped_avframe"),
        ("a.mjpeg", "mjpeg"),
    ],
)
def test_containers_of_all_kinds_are_opened_under_any_name(tmp_path, name, codec):
    kind = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_clip(tmp_path / name, 6, codec=codec, pix_fmt=kind)
    assert len(read(path)[0]) == 6
    assert len(read(path.rename(tmp_path / "upload"))[0]) == 6


def test_a_picture_of_any_name_is_one_frame(tmp_path):
    for name, suffix in (("a.jfif", ".jpg"), ("a.jp2", ".jp2"), ("a", ".png")):
        (tmp_path / name).write_bytes(cv2.imencode(suffix, picture(1))[1].tobytes())
        assert len(read(tmp_path / name)[0]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile drive.ts\n",
        "ffconcat version 1.0\n#\x01\nfile drive.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\ndrive.ts\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_opens_its_files_only_with_a_playlist_suffix(tmp_path, text):
    make_clip(tmp_path / "drive.ts")
    suffix = ".m3u8" if text.startswith("#") else ".ffconcat"
    called = tmp_path / f"list{suffix}"
    called.write_text(text)
    assert len(read(called)[0]) == 12
    for name in ("upload", "drive.mp4"):
        path = called.rename(tmp_path / name)
        with pytest.raises(BadVideo, match=rf"{name} is not a video: it is a playlist"):
            open_source(path)
        called = path


def test_text_file(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("Dear diary,\ntoday I drove.\n" * 40)
    with pytest.raises(BadVideo, match=r"notes.mp4 is not a video: it holds text"):
        open_source(path)


def test_text_that_ffmpeg_would_draw(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary,\ntoday I drove.\n" * 40)
    with pytest.raises(BadVideo, match=r"notes.txt is not a video: it holds text"):
        open_source(path)


def test_binary_file(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(BadVideo, match=r"noise.mp4 is not a video"):
        open_source(path)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(BadVideo, match="the file is empty"):
        open_source(path)


def test_mp4_without_its_index(tmp_path, clip):
    path = tmp_path / "cut.mp4"
    content = clip.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(BadVideo, match=r"cut.mp4 is an MP4 without its index \(moov\).*cut off"):
        open_source(path)


def test_no_frames(tmp_path):
    path = tmp_path / "none.mp4"
    with av.open(str(path), "w") as container:
        container.add_stream("libx264", 25).width = 64
        write_tone(container, container.add_stream("aac", 48000), 0.5)
    with pytest.raises(BadVideo, match="none.mp4 has no"):
        open_source(path)


def test_no_frame_can_be_decoded(tmp_path):
    path = make_clip(tmp_path / "a.mp4", 5)
    content = bytearray(path.read_bytes())
    data = content.index(b"mdat") + 4
    content[data : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - data)
    path.write_bytes(content)
    with pytest.raises(BadVideo, match="no frame that can be decoded"):
        open_source(path)


def test_sound_alone(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", 48000), 0.5)
    with pytest.raises(BadVideo, match=r"song.mp4 has no video, it holds audio"):
        open_source(path)


def test_a_missing_file_suggests_a_similar_one(tmp_path, clip):
    with pytest.raises(BadInput, match=r"there is no .*drvie.mp4; did you mean .*drive.mp4"):
        open_source(clip.with_name("drvie.mp4"))
    with pytest.raises(BadInput, match=r"there is no .*other.mkv; check the spelling"):
        open_source(clip.with_name("other.mkv"))
    with pytest.raises(BadInput, match=r"not even the folder .*nowhere exists"):
        open_source(tmp_path / "nowhere" / "a.mp4")


def test_names_that_look_like_protocols_and_patterns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("12:30.mp4", "a%03d.mp4", "[1].mp4", "ünïcode 日.mp4", "-i.mp4"):
        make_clip(tmp_path / name, 2)
        frames, source = read(name)
        assert numbers(frames) == [0, 1]
        assert source.name == name.removesuffix(".mp4")


# ------------------------------------------------------------------ networks


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; half of files called half* and then silence; live* without their length."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        if "half" not in self.path and "live" not in self.path:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        if "half" in self.path:
            self.send_header("Content-Length", str(len(content)))
            content = content[: len(content) // 2]
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        if "half" in self.path:
            self.server.done.wait(20)


@pytest.fixture
def served(tmp_path):
    """The address of a web server for tmp_path."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    )
    server.daemon_threads = True
    server.done = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.done.set()
    server.shutdown()
    server.server_close()


def test_address(tmp_path, served):
    make_clip(tmp_path / "a.ts")
    frames, source = read(f"{served}/a.ts")
    assert numbers(frames) == list(range(12))
    assert source.name == "a"


def test_passwords_of_an_address_are_in_no_name_and_no_message(tmp_path, served):
    make_clip(tmp_path / "a.ts")
    address = served.replace("://", "://me:secret@home:secret@") + "/a.ts?user=me&pwd=secret#1"
    assert read(address)[1].name == "a"
    with pytest.raises(BadVideo) as caught:
        open_source(address.replace("a.ts", "c.ts"))
    assert str(caught.value).startswith(f"{served}/c.ts cannot be opened")


@pytest.mark.parametrize(
    ("cut", "expected"), [({}, range(80)), ({"start": 1, "end": 2}, range(25, 50))]
)
def test_live_address(tmp_path, served, cut, expected):
    """A live stream has no length and cannot seek."""
    make_clip(tmp_path / "live.ts", 80, draw=noisy, options={"preset": "ultrafast"})
    frames, source = read(f"{served}/live.ts", **cut)
    assert numbers(frames) == list(expected)
    assert (source.live, source.lost, source.warnings) == (True, 0, [])
    assert source.duration == (1.0 if cut else None)


def test_address_that_stops_sending_ends(long_clip, served):
    half = long_clip.rename(long_clip.with_name("half.mp4"))
    began = time.monotonic()
    with VideoSource(f"{served}/{half.name}", timeout=1) as source:
        frames = list(source)
    assert time.monotonic() - began < 8
    assert numbers(frames[:30]) == list(range(30))
    assert any("sent nothing more" in warning for warning in source.warnings)


def test_address_that_does_not_answer():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"rtsp://user:secret@127.0.0.1:{deaf.getsockname()[1]}/camera"
        began = time.monotonic()
        with pytest.raises(BadVideo, match=r"127.0.0.1.* did not answer within 1 s") as error:
            VideoSource(url, timeout=1)
        assert time.monotonic() - began < 5
        assert "secret" not in str(error.value)


def test_address_that_is_wrong(served):
    with pytest.raises(BadVideo, match=r"nothing.mp4 cannot be opened: .*Not Found"):
        open_source(f"{served}/nothing.mp4")
    with pytest.raises(BadVideo, match="refused"):
        open_source("http://127.0.0.1:9/a.mp4")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("rtsp://me:se?cret@host/live", "rtsp://host/live"),
        ("rtsp://me:se#cr@et@host/live?pwd=secret", "rtsp://host/live"),
        ("rtsp://me:se/cret@host/live", "rtsp://host/live"),
        ("rtsp://host:554/live", "rtsp://host:554/live"),
        ("drive?@1.mp4", "drive?@1.mp4"),
    ],
)
def test_no_password_is_shown(given, expected):
    assert shown(given) == expected
