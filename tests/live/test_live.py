"""Live: a pipeline in a thread, asked by a screen."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from clips import make_clip, number_of, read
from lanes import segmenter
from lanes.errors import BadInput, BadOutput
from lanes.live.play_clock import PlayClock
from lanes.live.player import Live, LiveOptions, hud_lines
from lanes.pipeline.stages import segment
from lanes.types import Frame
from lanes.video import open_source
from live_waits import PATIENCE, ended, until
from model_folders import make_model
from streams import MjpegServer


def test_every_frame_of_a_file_is_played_and_the_last_is_the_newest(clip, model):
    with Live(clip, model) as live:
        now = until(live, ended)
        assert (now.state, now.error) == ("ended", None)
        assert (now.frames, now.total, now.dropped, now.number) == (50, 50, 0, 49)
        assert number_of(now.result.frame) == 49
        assert now.position == pytest.approx(49 / 25)
        assert now.duration == pytest.approx(2.0, abs=0.05)
        assert set(now.latency) == {"decode", "resize", "infer", "lines"}
        assert all(0 < each.p50 <= each.p95 < 5 for each in now.latency.values())
        assert now.fps > 0
        assert set(now.measures) == {"drivable share", "lane line share", "implied line share"}
    assert live.snapshot().state == "stopped"
    assert live.snapshot().frames == 50


def test_a_slow_reader_does_not_delay_the_pipeline(clip, model):
    with Live(clip, model) as live:
        live.snapshot()
        assert until(live, ended).frames == 50  # though nobody asked for one of them in between


def test_seek_pause_and_resume(clip, model):
    with Live(clip, model) as live:
        until(live, ended)
        live.seek(1.2)
        now = until(live, ended)
        assert now.frames == 50 + 20
        live.pause()
        live.seek(0.8)
        # Paused, yet the picture of the new place is shown.
        now = until(live, lambda now: now.number == 20)
        assert number_of(now.result.frame) == 20
        time.sleep(0.2)
        still = live.snapshot()
        assert (still.state, still.number) == ("paused", 20)
        live.resume()
        assert until(live, ended).number == 49


def test_a_seek_beyond_the_last_frame_is_the_end_and_others_may_follow(clip, model):
    with Live(clip, model) as live:
        until(live, ended)
        live.seek(7.5)
        assert until(live, ended).error is None
        live.seek(1.2)
        assert until(live, lambda now: now.frames == 70).number == 49


def test_images_may_be_sought_to_their_end(tmp_path, model):
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 96, 3), 120, np.uint8))
    with Live(tmp_path, model) as live:
        live.seek(until(live, ended).duration)
        time.sleep(0.1)
        assert until(live, ended).error is None


def test_no_rate_is_reckoned_over_a_loss(model):
    with MjpegServer(rate=20) as server, Live(server.url, model, LiveOptions(timeout=1)) as live:
        until(live, lambda now: now.frames > 10)
        server.silent.set()
        until(live, lambda now: now.state == "lost")
        time.sleep(2)
        server.silent.clear()
        frames = live.snapshot().frames
        now = until(live, lambda now: now.frames > frames + 8)
        assert now.fps > 8  # three seconds without a frame are not among those


def test_a_file_in_real_time_takes_its_time(clip, model):
    with Live(clip, model, LiveOptions(real_time=True)) as live:
        live.wait(0, PATIENCE)
        began = time.monotonic()
        now = until(live, ended)
        assert 1.7 < time.monotonic() - began < 10
        assert now.frames + now.dropped == 50
        assert now.number == 49 or now.dropped


def test_speed_can_be_changed_while_it_plays(tmp_path, model):
    clip = make_clip(tmp_path / "long.mp4", 250, gop=50)
    with Live(clip, model, LiveOptions(real_time=True)) as live:
        live.wait(0, PATIENCE)
        began = time.monotonic()
        live.real_time = False
        until(live, ended)
        assert time.monotonic() - began < 8  # the clip lasts 10 s


def test_real_time_goes_on_from_where_the_fast_pace_came_to(tmp_path, model):
    clip = make_clip(tmp_path / "long.mp4", 250, gop=50)
    with Live(clip, model, LiveOptions(real_time=True)) as live:
        live.wait(0, PATIENCE)
        live.real_time = False
        frames = until(live, lambda now: now.frames > 80).frames
        live.real_time = True
        began = time.monotonic()
        until(live, lambda now: now.frames > frames + 10)
        assert time.monotonic() - began < 1.5  # not as long as the fast pace was ahead


def test_what_comes_too_late_in_real_time_is_left_out_but_not_all(clip, shared, monkeypatch):
    result = shared.result
    monkeypatch.setattr(shared, "result", lambda pending: (time.sleep(0.15), result(pending))[1])
    with Live(clip, shared, LiveOptions(real_time=True)) as live:
        now = until(live, ended)
    assert now.dropped >= 10
    assert now.frames >= 4
    assert now.frames + now.dropped == 50


def test_loop_begins_again(clip, model):
    with Live(clip, model, LiveOptions(loop=True)) as live:
        until(live, lambda now: now.frames > 120)
        assert live.snapshot().state == "playing"


def test_truth_gives_iou_also_after_a_seek_and_with_frames_left_out(tmp_path, model):
    """Truth is class 0 in the first second and 1 in the second; the model says 1 throughout."""

    def grey(number, size):
        return np.full((*size, 3), 120, np.uint8)

    def truth(number, size):
        return np.full((*size, 3), int(number >= 25), np.uint8)

    clip = make_clip(tmp_path / "x.mp4", 50, draw=grey, gop=10)
    labels = make_clip(
        tmp_path / "x.mkv", 50, codec="ffv1", pix_fmt="gray", draw=truth, tags=(2, 2, 2, 2)
    )
    assert read(clip)[1].frames == 50
    with Live(clip, model, LiveOptions(labels=labels)) as live:
        now = until(live, ended)
        until(live, lambda now: "drivable" in now.iou_total)
        total = until(live, lambda now: now.iou_total["drivable"] == pytest.approx(0.5)).iou_total
        assert total["background"] == 0
        assert now.consistency == {}
        live.seek(1.0)
        until(live, lambda now: now.frames == 75)
        until(live, lambda now: now.iou_total.get("drivable") == 1)


def test_without_truth_consistency_is_measured(tmp_path, model):
    clip = make_clip(
        tmp_path / "x.mp4", 30, draw=lambda number, size: np.full((*size, 3), 120, np.uint8)
    )
    with Live(clip, model) as live:
        until(live, ended)
        now = until(live, lambda now: now.consistency)
        assert now.consistency == {"drivable": 1.0}
        assert now.iou == {}


@pytest.mark.parametrize(
    ("given", "options", "kind", "message"),
    [
        ("nowhere.mp4", {}, BadInput, "there is no nowhere.mp4"),
        ("77", {}, BadInput, "there is no camera 77 that opens; there are: "),
        ("http://127.0.0.1:9/a.mjpg", {}, BadInput, "cannot be opened"),
        (None, {"labels": "nowhere"}, BadInput, "no labels nowhere"),
        (None, {"video": "a.avi"}, BadOutput, "must end in one of"),
        (None, {"start": 9.0}, BadInput, "is after the end"),
        (None, {"infer_every": 0}, BadInput, "--infer-every 0"),
    ],
)
def test_the_snapshot_has_the_error(
    clip, model, given, options, kind, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    changed = {
        name: Path(value) if isinstance(value, str) else value for name, value in options.items()
    }
    with Live(given or clip, model, LiveOptions(**changed)) as live:
        now = until(live, ended)
    assert now.state == "failed"
    assert isinstance(now.error, kind)
    assert message in str(now.error)
    assert not list(tmp_path.iterdir())


def test_close_ends_the_thread_amid_a_blocked_read(model):
    with MjpegServer() as server:
        live = Live(server.url, model, LiveOptions(timeout=2))
        until(live, lambda now: now.frames > 0)
        server.silent.set()
        began = time.monotonic()
        assert live.close()
        assert time.monotonic() - began < 8


def test_a_silent_stream_is_lost_and_comes_back(model):
    with MjpegServer() as server, Live(server.url, model, LiveOptions(timeout=1)) as live:
        until(live, lambda now: now.frames > 3)
        server.silent.set()
        until(live, lambda now: now.state == "lost")
        server.silent.clear()
        now = until(live, lambda now: now.state == "playing")
        assert [notice.split(" ")[2] for notice in now.notices] == ["lost:", "back"]
        frames = now.frames
        until(live, lambda now: now.frames > frames + 3)


def test_of_a_stream_the_newest_frame_counts_and_the_latency_is_bounded(shared, monkeypatch):
    result = shared.result
    monkeypatch.setattr(shared, "result", lambda pending: (time.sleep(0.2), result(pending))[1])
    with MjpegServer(rate=50) as server, Live(server.url, shared) as live:
        now = until(live, lambda now: now.frames >= 15)
        assert now.live
        assert now.dropped > now.frames
        # A frame waits for the one before it, then for its own labels; never for more.
        assert now.latency["total"].p95 < 3 * 0.25
        assert "decode" not in now.latency
        live.pause()
        until(live, lambda now: now.state == "paused")
        time.sleep(0.5)
        frames, sent = live.snapshot().frames, server.sent
        live.resume()
        now = until(live, lambda now: now.frames > frames + 1)
        assert now.fps > 1.5  # not reckoned over the pause
        # Whatever came during the pause is not shown.
        assert number_of(now.result.frame) + 256 * (sent > 255) >= sent % 256 - 40
        with pytest.raises(BadInput, match="is live"):
            live.seek(1)


def test_models_are_switched_while_it_plays(tmp_path, clip, model):
    cells = make_model(tmp_path / "cells", task="blood_cells")
    with segmenter.load(str(cells), "onnxruntime") as other:
        with Live(clip, model, LiveOptions(loop=True)) as live:
            until(live, lambda now: now.frames > 5)
            live.switch(other)
            now = until(live, lambda now: now.task.name == "blood_cells")
            frames = now.frames
            live.switch(model)
            until(live, lambda now: now.frames > frames + 5 and now.task.name == "lanes")
        truth = LiveOptions(labels=tmp_path)
        with Live(clip, model, truth) as live, pytest.raises(BadInput, match="choose a model"):
            live.switch(other)


def test_several_share_one_engine_and_one_that_pauses_keeps_nobody_waiting(clip, shared):
    with (
        Live(clip, shared, LiveOptions(loop=True)) as paused,
        Live(clip, shared) as other,
    ):
        until(paused, lambda now: now.frames > 0)
        paused.pause()
        assert until(other, ended).frames == 50


def test_threads_that_share_an_engine_each_get_their_own_labels(shared, tmp_path):

    def labels(clip):
        with open_source(clip) as source:
            return [int(np.median(result.labels)) for result in segment(source, shared)]

    def clip(value):
        def draw(number, size):
            return np.full((*size, 3), value, np.uint8)

        return make_clip(tmp_path / f"{value}.mp4", 60, draw=draw)

    found = {}
    clips = {value: clip(value) for value in (20, 120, 220)}
    threads = [
        threading.Thread(target=lambda value=value: found.update({value: labels(clips[value])}))
        for value in clips
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {20: [0] * 60, 120: [1] * 60, 220: [2] * 60}


def test_a_pipeline_left_early_leaves_the_engine_free(clip, model):
    with open_source(clip) as source:
        results = segment(source, model)
        next(results)
        results.close()
    with open_source(clip) as source:
        assert len(list(segment(source, model))) == 50


def test_the_clock_lets_frames_pass_when_they_are_due(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("lanes.live.play_clock.time.monotonic", lambda: now[0])

    def at(seconds):
        return Frame((), None, 0, round(seconds * 1000), Fraction(1, 1000))

    clock = PlayClock(0.04)
    assert clock.early(at(5.0)) == 0
    assert clock.early(at(5.04)) == pytest.approx(0.04)
    clock.passed()
    now[0] += 0.1
    assert clock.early(at(5.04)) == pytest.approx(-0.06)
    assert clock.too_late(at(5.04))
    assert not clock.too_late(at(5.08))
    now[0] += 0.2
    assert not clock.too_late(at(5.08))  # none was played for a while
    now[0] += 2
    assert clock.early(at(5.12)) == 0  # too far behind to catch up


def test_the_head_up_display_tells_what_is_known(clip, model):
    with Live(clip, model) as live:
        now = until(live, lambda now: ended(now) and now.consistency)
    lines = hud_lines(now)
    assert "FPS   inference" in lines[0]
    assert lines[1].startswith("consistency  ")
