"""The sound of a written video: copied, cut, or left out."""

from __future__ import annotations

import av
import numpy as np
import pytest

from clips import make_clip, numbers, read
from lanes.video import VideoSink, open_source
from lanes.video.aac import AacTrack
from written_clips import PLAIN, copy, heard, planes_of, sound_of, stream_of, talking, write


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


def pitch(path):
    """The strongest frequency in Hz."""
    rate, samples = heard(path)
    return abs(np.fft.rfft(samples[0])).argmax() * rate / samples.shape[1]


def codec_of(path):
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.name


@pytest.mark.parametrize(
    ("codec", "suffix", "copied"),
    [
        ("libmp3lame", ".mp4", True),
        ("ac3", ".mov", True),
        ("ac3", ".mp4", False),
        ("libopus", ".mp4", False),
        ("libopus", ".mkv", True),
        ("pcm_s24le", ".mov", True),
        ("pcm_s24le", ".mp4", False),
        ("adpcm_ms", ".mov", False),
    ],
)
def test_sound_that_players_may_not_play_becomes_aac(tmp_path, codec, suffix, copied):
    path = make_clip(tmp_path / f"in{'.avi' if 'adpcm' in codec else '.mkv'}", 50, audio=codec)
    out = tmp_path / f"out{suffix}"
    _, sink = copy(path, out, audio_from=path)
    assert (codec_of(out) == codec_of(path)) is copied
    if copied:
        assert sink.warnings == []
        return
    assert codec_of(out) == "aac"
    assert [f"({codec.removeprefix('lib')}) becomes AAC" in w for w in sink.warnings] == [True]
    assert pitch(out) == pytest.approx(440, abs=2)
    rate, samples = heard(out)
    assert samples.shape[1] / rate == pytest.approx(2, abs=0.05)


def test_converted_sound_of_a_part_is_in_time(tmp_path):
    """A tone that begins at second 1."""
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s24le", 48000, layout="mono")
        for number in range(50):
            frame = av.VideoFrame(64, 48, "yuv420p")
            container.mux(stream.encode(frame))
            wave = np.full((1, 1920), 0 if number < 25 else 2**29, np.int32)
            frame = av.AudioFrame.from_ndarray(wave, "s32", "mono")
            frame.sample_rate = 48000
            container.mux(sound.encode(frame))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    copy(path, tmp_path / "out.mp4", audio_from=path, start=0.6)
    rate, samples = heard(tmp_path / "out.mp4")
    assert abs(samples[0] > 0.1).argmax() / rate == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("layout", ["5.1(side)", "5.0(side)", "quad"])
def test_converted_sound_keeps_its_channels(tmp_path, layout):
    """The surround channels of films stand at the sides, of AAC at the back."""
    path = tmp_path / "in.mkv"
    count = av.AudioLayout(layout).nb_channels
    wave = np.zeros((1, 48000, count), np.int16)
    wave[..., -1] = 9000  # the last one
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", 48000, layout=layout)
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", layout)
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    copy(path, tmp_path / "out.mp4", audio_from=path)
    _, samples = heard(tmp_path / "out.mp4")
    loud = abs(samples[:, 9600:38400]).max(1) > 0.1
    assert (len(samples), loud.sum()) == (count, 1)


def test_sound_without_a_decoder_is_left_out(tmp_path, monkeypatch):
    path = make_clip(tmp_path / "in.avi", 10, audio="adpcm_ms")
    monkeypatch.setattr(AacTrack, "__init__", lambda *words: (_ for _ in ()).throw(ValueError))
    _, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert sound_of(tmp_path / "out.mp4") == []
    assert len(sink.warnings) == 1
    assert "adpcm_ms) is left out: mp4 files cannot hold it" in sink.warnings[0]
    assert "-c:v copy -c:a aac in_converted.mp4" in sink.warnings[0]


def test_sound_of_joined_recordings_stays_with_its_pictures(tmp_path):
    """Each part has another loudness."""
    parts = [
        talking(tmp_path / f"{n}.ts", loudness).read_bytes() for n, loudness in enumerate((4, 8, 2))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    source, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert (sink.frames, source.lost, sink.warnings) == (150, 0, [])
    rate, samples = heard(tmp_path / "out.mp4")
    assert samples.shape[1] / rate == pytest.approx(6, abs=0.15)
    for second, loudness in ((1, 4), (3, 8), (5, 2)):
        heard_there = abs(samples[0, round((second - 0.7) * rate) : round((second + 0.7) * rate)])
        assert heard_there.max() == pytest.approx(loudness / 16, rel=0.2)
    assert (abs(samples[0]) > 0.35).argmax() / rate == pytest.approx(2, abs=0.05)


def test_sound_of_a_stream_that_is_read_once(tmp_path):
    """Also of a part, and over joints: as that of the same file."""
    parts = [
        talking(tmp_path / f"{n}.ts", loudness).read_bytes() for n, loudness in enumerate((4, 8))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    for start in (None, 0.6, 2.4):
        copy(path, tmp_path / "file.mp4", audio_from=path, start=start, overwrite=True)
        with (
            open_source(path, start, tap_sound=True) as source,
            VideoSink.like(
                source, tmp_path / "tap.mp4", audio_from=source.tap, overwrite=True
            ) as sink,
        ):
            for frame in source:
                sink.write(frame)
        assert sink.warnings == []
        tapped, copied = sound_of(tmp_path / "tap.mp4"), sound_of(tmp_path / "file.mp4")
        assert len(tapped) > 60
        assert tapped == copied


def test_sound_of_a_file_without(tmp_path):
    path = make_clip(tmp_path / "in.mp4", 10)
    _, sink = copy(path, tmp_path / "out.mp4", audio_from=path)
    assert (sink.frames, sink.warnings) == (10, [])


def test_sound_that_cannot_be_opened_is_left_out(tmp_path):
    sink = write(tmp_path / "a.mp4", audio_from=tmp_path / "gone.mp4")
    assert len(sink.warnings) == 1
    assert "gone.mp4 is left out: No such file" in sink.warnings[0]
    assert len(read(tmp_path / "a.mp4")[0]) == 6
    sink = write(tmp_path / "b.mp4", audio_from="http://me:secret@127.0.0.1:9/a.mp4")
    assert ["http://127.0.0.1:9/a.mp4 is left out" in w for w in sink.warnings] == [True]


def test_sound_of_a_damaged_file(tmp_path, talkie):
    content = bytearray(talkie.read_bytes())
    rng = np.random.default_rng(0)
    for place in range(content.index(b"mdat") + 3000, content.index(b"moov") - 8, 61):
        content[place] = rng.integers(256)
    talkie.write_bytes(content)
    source, sink = copy(talkie, tmp_path / "out.mp4", audio_from=talkie)
    assert sink.frames + source.lost >= 50
    assert len(sound_of(tmp_path / "out.mp4")) > 80


def loudness(path, second):
    """The loudness in the middle of a second, in sixteenths."""
    rate, samples = heard(path)
    return abs(samples[0, round((second + 0.2) * rate) : round((second + 0.8) * rate)]).max() * 16


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".ts", "aac"), (".mp4", "aac"), (".mkv", "libopus")]
)
def test_sound_follows_cuts(tmp_path, suffix, codec):
    """Each second of the source is louder than the one before; forward, and back."""
    path = talking(tmp_path / f"in{suffix}", *range(1, 7), each=25, codec=codec)
    with (
        open_source(path) as first,
        VideoSink.like(first, tmp_path / "a.mp4", audio_from=path) as a,
    ):
        for start in (0, 4, 1):
            with open_source(path, start, start + 1) as source:
                for number, frame in enumerate(source):
                    a.write(frame, cut=not number)
    assert a.frames == 75
    heard_there = [loudness(tmp_path / "a.mp4", second) for second in range(3)]
    assert heard_there == pytest.approx([1, 5, 2], rel=0.2)
