"""Files of HTTP servers that cannot send parts of them."""

from __future__ import annotations

import time

import av
import pytest

from clips import make_clip, numbers, read
from lanes import segmenter
from lanes.errors import BadVideo
from lanes.pipeline.label_video import Options, annotate
from lanes.segmenter import Segmenter
from lanes.video import open_source
from streams import FileServer, MjpegServer
from written_clips import sound_of

FRAMES = 100


def clip(folder, suffix, flags="faststart"):
    """Twenty seconds, so that the slowest machine keeps up with a stream of unknown length."""
    made = make_clip(folder / "made.mkv", FRAMES, rate=5, audio="aac", gop=10)
    path = folder / f"in{suffix}"
    options = {"movflags": flags} if suffix == ".mp4" and flags else {}
    with av.open(str(made)) as given, av.open(str(path), "w", options=options) as copy:
        streams = [copy.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                copy.mux(packet)
    return path


@pytest.fixture(scope="module")
def model(model_folder):
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        yield loaded


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_whole_file_comes_through_with_its_sound(tmp_path, model, suffix, length):
    path, out = clip(tmp_path, suffix), tmp_path / "out.mp4"
    options = Options(output=out, alpha=0.0, hud=False)
    with FileServer(path, length) as server:
        with open_source(server.url) as source:
            assert source.live == (suffix == ".ts" and not length)
        summary = annotate(server.url, model, options)
    assert (summary.frames, summary.dropped, summary.warnings) == (FRAMES, 0, [])
    assert numbers(read(out)[0]) == list(range(FRAMES))
    assert len(sound_of(out)) > 150


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_start_is_reached_by_reading_up_to_it(tmp_path, suffix):
    with FileServer(clip(tmp_path, suffix)) as server:
        frames, source = read(server.url, 10, 15)
    assert numbers(frames) == list(range(50, 75))
    assert source.first == 50


def test_an_index_at_the_end_needs_a_server_that_seeks(tmp_path):
    path = clip(tmp_path, ".mp4", flags="")
    with FileServer(path) as server, pytest.raises(BadVideo, match="download"):
        read(server.url)


@pytest.mark.parametrize("content", ["<html><body>Log in</body></html>", ""])
def test_a_page_is_no_video(tmp_path, content):
    """As servers send it in place of a video, with 200 OK, to visitors who are not logged in."""
    path = tmp_path / "a.mp4"
    path.write_text(content)
    with FileServer(path) as server, pytest.raises(BadVideo, match=r"sends no video, perhaps a"):
        read(server.url)


class Slow(Segmenter):
    """It takes a tenth of a second for each frame."""

    def result(self, pending):
        time.sleep(0.1)
        return super().result(pending)


def test_frames_that_a_slow_machine_leaves_out_are_told(tmp_path, model_folder):
    with MjpegServer(rate=50) as server, segmenter.load(str(model_folder), "onnxruntime") as loaded:
        slow = Slow(loaded.card, loaded.backend)
        options = Options(output=tmp_path / "out.mp4", seconds=2)
        summary = annotate(server.url, slow, options)
    assert summary.dropped > summary.frames
    assert [f"{summary.dropped} frames of camera are left out" in w for w in summary.warnings] == [
        True
    ]
