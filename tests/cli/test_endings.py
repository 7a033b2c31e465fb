"""Every way in which a command can be ended keeps the video that it has written so far."""

from __future__ import annotations

import json
import os
import signal
import time

import av
import cv2
import numpy as np
import pytest

from clips import make_clip
from ended import Started
from lanes.video.part import hidden_name
from lanes.video.recover import recover

LIMIT = 3.0
SLACK = 1.5
"""Seconds for closing the engine and the interpreter, on a busy machine."""
RATE = 25


def frames_of(path):
    """The frames of a video, counted by PyAV alone."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def videos(folder):
    return sorted(path for path in folder.rglob("*.mp4") if path.name != "in.mp4")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 3000 noisy pictures: two minutes, and very slow to encode."""
    folder = tmp_path_factory.mktemp("long")
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / "0.jpg"), noise)
    for number in range(1, 3000):
        os.link(folder / "0.jpg", folder / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of 20 seconds, with sound."""
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", 500, audio="aac")


class Job:
    """`lanes-video` or `lanes-webcam` that writes `folder`/out.mp4."""

    def __init__(self, folder, model, source, command="video", quality="fast", **words):
        self.folder, self.out = folder, folder / "out.mp4"
        self.lines = hidden_name(folder / "out.jsonl")
        options = [source, "--model", model, "--backend", "onnxruntime"]
        if command == "video":
            options += ["-o", self.out, "--quality", quality, "--json", folder / "out.jsonl"]
        else:
            options += ["--no-window", "--record", self.out]
        options += [part for key, value in words.items() for part in (f"--{key}", value)]
        self.started = Started(f"{command}_main", options, folder)

    def written(self, seconds=0.0):
        """Wait until the video has begun, and `seconds` more."""
        hidden = hidden_name(self.out)
        self.started.until(lambda: self.out.exists() or hidden.exists() and hidden.stat().st_size)
        time.sleep(seconds)

    def given(self):
        """The number of frames that the encoder was given, as the JSON lines tell."""
        for path in (self.lines, self.folder / "out.jsonl"):
            if path.exists():
                return len(path.read_text().splitlines())
        return 0

    def check(self, code, within=LIMIT + SLACK):
        """It ended with `code`, in time, and its video holds all but the last second."""
        ended, printed, errors, seconds = self.started.end()
        assert ended == code, (ended, printed, errors)
        assert "Traceback" not in errors, errors
        assert seconds < within, (seconds, printed, errors)
        recover(self.folder)
        assert videos(self.folder) == [self.out], errors
        frames = frames_of(self.out)
        assert frames > 0
        assert not list(self.folder.glob(".*"))
        lines = self.folder / "out.jsonl"
        if lines.exists():
            assert [json.loads(line)["index"] for line in lines.read_text().splitlines()]
            assert frames >= self.given() - RATE
        return frames, errors


# ------------------------------------------------------------------ one case a signal


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_finishes_the_video(tmp_path, model_folder, pictures, number, code):
    job = Job(tmp_path, model_folder, pictures, quality="best")
    job.written(1.0)
    job.started.send(number)
    frames, _ = job.check(code)
    assert frames < 3000
    content = job.out.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"moof" not in content


def test_a_second_signal_ends_at_once(tmp_path, model_folder, pictures):
    job = Job(tmp_path, model_folder, pictures, quality="best")
    job.written(1.5)
    job.started.send(signal.SIGINT)
    time.sleep(0.4)
    job.started.send(signal.SIGINT)
    job.check(130, within=1.0)


def test_a_killed_run_is_recovered(tmp_path, model_folder, pictures):
    job = Job(tmp_path, model_folder, pictures, quality="best")
    job.written(1.5)
    job.started.send(signal.SIGKILL)
    job.check(-signal.SIGKILL)


def test_the_webcam_keeps_its_recording(tmp_path, model_folder, clip):
    """As `timeout 5 lanes-webcam ...`, which sends two signals at once."""
    job = Job(tmp_path, model_folder, clip, "webcam")
    job.written(1.5)
    job.started.send(signal.SIGTERM)
    job.started.send(signal.SIGTERM)
    job.check(143)


def test_a_signal_before_the_first_frame_leaves_nothing(tmp_path, model_folder, clip):
    job = Job(tmp_path, model_folder, clip)
    time.sleep(0.3)
    job.started.send(signal.SIGTERM)
    code, _, errors, _ = job.started.end()
    assert code in (143, -signal.SIGTERM)
    assert "Traceback" not in errors
    assert videos(tmp_path) == []


def test_an_ignored_hangup_stays_ignored(tmp_path, model_folder, clip):
    """`nohup lanes-video ... &` goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        job = Job(tmp_path, model_folder, clip, **{"max-frames": 50})
    finally:
        signal.signal(signal.SIGHUP, before)
    job.written()
    job.started.send(signal.SIGHUP)
    frames, _ = job.check(0, within=60)
    assert frames == 50
