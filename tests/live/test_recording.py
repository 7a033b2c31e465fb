"""Live: what is recorded while it plays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clips import make_clip, read
from lanes.errors import BadOutput
from lanes.live.player import Live, LiveOptions
from live_waits import PATIENCE, ended, until
from streams import FileServer, MjpegServer
from written_clips import heard, talking


def test_recordings_are_whole_at_the_end(tmp_path, clip, model):
    video, lines = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    with Live(clip, model, LiveOptions(video=video, json=lines)) as live:
        until(live, ended)
        frames, source = read(video)
        assert (len(frames), source.size, source.rate) == (50, (96, 160), 25)
        records = [json.loads(line) for line in lines.read_text().splitlines()]
        assert [record["index"] for record in records] == list(range(50))
        live.seek(0)  # what is recorded stays as it is
        until(live, lambda now: now.frames == 100)
    assert len(read(video)[0]) == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.jsonl", "o.mp4"]


def test_a_recording_that_is_begun_and_ended_while_it_plays_follows_seeks(tmp_path, clip, model):
    with Live(clip, model, LiveOptions(real_time=True, loop=True)) as live:
        live.wait(0, PATIENCE)
        live.record(tmp_path / "a.mp4")
        with pytest.raises(BadOutput, match="being recorded"):
            live.record(tmp_path / "b.mp4")
        assert until(live, lambda now: now.recording).recording == tmp_path / "a.mp4"
        live.seek(1.6)
        frames = live.snapshot().frames
        until(live, lambda now: now.frames > frames + 30)  # past the end, from the beginning on
        live.stop_recording()
        assert live.snapshot().recording is None
    recorded = read(tmp_path / "a.mp4")[0]
    times = [frame.seconds for frame in recorded]
    assert len(recorded) > 20
    assert times == sorted(times)
    assert times[-1] < 0.1 + len(recorded) * 0.3
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def check_in_step(path):
    """The sound becomes loud when the pictures become bright; frames may be dropped between."""
    frames = read(path)[0]
    dark = [frame.seconds for frame in frames if frame.planes[0].mean() < 80]
    bright = [frame.seconds for frame in frames if frame.planes[0].mean() > 80]
    rate, samples = heard(path)
    loud = (abs(samples[0]) > 0.3).argmax() / rate
    assert max(dark) - 0.1 < loud < min(bright) + 0.1
    return loud


def test_the_sound_of_a_file_is_recorded_and_follows_seeks(tmp_path, model):
    path = talking(tmp_path / "in.mp4", 2, 2, 2, 8, each=25)
    out = tmp_path / "out.mp4"
    with Live(path, model, LiveOptions(video=out, alpha=0.0, hud=False)) as live:
        until(live, lambda now: now.position > 0.5)
        live.seek(2.5)
        until(live, ended)
    assert 0.9 < check_in_step(out) < 2.9


def test_the_sound_of_a_stream_is_recorded(tmp_path, model):
    path = talking(tmp_path / "in.ts", 2, 2, 8)
    out = tmp_path / "out.mp4"
    with FileServer(path, length=False, seconds=6) as server:
        options = LiveOptions(video=out, alpha=0.0, hud=False)
        with Live(server.url, model, options) as live:
            now = until(live, lambda now: now.state == "lost" or now.error)
            assert (now.error, now.live) == (None, True)
            live.stop_recording()
    assert 1 < check_in_step(out) < 4


def test_closed_in_the_midst_a_recording_is_whole_and_nothing_else_is_left(tmp_path, clip, model):
    live = Live(clip, model, LiveOptions(video=tmp_path / "o.mp4", real_time=True))
    until(live, lambda now: now.frames > 5)
    assert live.close()
    assert live.close()
    assert live.snapshot().state == "stopped"
    assert 3 < len(read(tmp_path / "o.mp4")[0]) < 50
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]


def test_a_recording_shows_the_classes_and_the_strength_that_were_chosen(tmp_path, model):
    grey = make_clip(
        tmp_path / "grey.mp4", 10, draw=lambda number, size: np.full((*size, 3), 120, np.uint8)
    )

    def recorded(name, **look):
        options = LiveOptions(video=tmp_path / name, hud=False, lines=False, **look)
        with Live(grey, model, options) as live:
            live.classes = ["lane line"] if name == "lines.mp4" else None
            until(live, ended)
        return read(tmp_path / name)[0][5].bgr.astype(int)

    drawn, faint = recorded("a.mp4", alpha=1.0), recorded("b.mp4", alpha=0.2)
    lines = recorded("lines.mp4", alpha=1.0)
    assert np.abs(drawn - 120).max() > 45  # the model calls grey drivable
    assert 5 < np.abs(faint - 120).max() < 30
    assert np.abs(lines - 120).max() < 8


def test_json_alone_is_a_recording_too(tmp_path, clip, model):
    with Live(clip, model, LiveOptions(json=tmp_path / "o.jsonl", loop=True)) as live:
        assert until(live, lambda now: now.frames > 3).recording == tmp_path / "o.jsonl"
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) > 3
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


def test_nothing_is_recorded_before_a_frame_has_come(tmp_path, model):
    with MjpegServer() as server:
        server.silent.set()
        live = Live(server.url, model, LiveOptions(timeout=1))
        with live, pytest.raises(BadOutput, match="no frame has arrived"):
            live.record(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_an_engine_error_is_reported_and_the_recording_kept(tmp_path, clip, shared, monkeypatch):
    result, calls = shared.result, []

    def fails(pending):
        calls.append(pending)
        if len(calls) > 10:
            raise RuntimeError("the engine broke")
        return result(pending)

    monkeypatch.setattr(shared, "result", fails)
    with Live(clip, shared, LiveOptions(video=tmp_path / "o.mp4")) as live:
        now = until(live, ended)
        assert (now.state, str(now.error)) == ("failed", "the engine broke")
    # What was still to be written is given up; the file is whole.
    assert 0 < len(read(tmp_path / "o.mp4")[0]) <= 10


def test_a_failed_recording_is_reported_and_playback_continues(tmp_path, clip, model, monkeypatch):
    from lanes.video import VideoSink

    def full(self, frame, cut=False):
        raise BadOutput("o.mp4 cannot be written: the disk is full")

    with Live(clip, model, LiveOptions(loop=True)) as live:
        live.wait(0, PATIENCE)
        monkeypatch.setattr(VideoSink, "write", full)
        live.record(tmp_path / "o.mp4")
        now = until(live, lambda now: now.notices)
        assert now.notices == ("o.mp4 cannot be written: the disk is full",)
        frames = now.frames
        assert until(live, lambda now: now.frames > frames).recording is None
    assert not list(tmp_path.iterdir())
