"""The sound of a written video: copied, cut, or left out."""

from __future__ import annotations

import av
import numpy as np
import pytest

from clips import make_clip, numbers, read
from lanes.video import VideoSink
from written_clips import PLAIN, copy, planes_of, sound_of, stream_of, write


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


def test_sound_is_interleaved_with_pictures(tmp_path):
    """Otherwise a streaming player would have to seek back and forth."""
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
