"""Every way in which a command can be ended keeps the video that it has written so far."""

from __future__ import annotations

import os
import signal
import time

import pytest

from clips import make_clip
from ended import Job, Started, check_left, noisy_pictures, videos
from lanes.video.part import hidden_name


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return noisy_pictures(tmp_path_factory.mktemp("long"), (540, 960))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of 20 seconds, with sound."""
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", 500, audio="aac")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_finishes_the_video(tmp_path, model_folder, pictures, number, code):
    job = Job(tmp_path, model_folder, pictures, quality="best")
    job.written(1.0)
    job.started.send(number)
    frames, errors = job.check(code)
    assert frames < 3000
    assert (b"moof" in job.out.read_bytes()) == ("its index is not in front" in errors)


def test_a_second_signal_ends_at_once(tmp_path, model_folder, pictures):
    job = Job(tmp_path, model_folder, pictures, quality="best")
    job.written(1.5)
    job.started.send(signal.SIGINT)
    time.sleep(0.4)
    job.started.send(signal.SIGINT)
    job.check(130)


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


def test_a_signal_before_the_first_frame_leaves_nothing(tmp_path, model_folder):
    """The input is a pipe that gives no frame, so that a fast machine is not too early."""
    os.mkfifo(tmp_path / "in.mkv")
    job = Job(tmp_path, model_folder, tmp_path / "in.mkv")
    time.sleep(1)
    job.started.send(signal.SIGTERM)
    code, _, errors = job.started.end()
    assert code in (143, -signal.SIGTERM)
    assert "Traceback" not in errors
    assert videos(tmp_path) == []


def test_an_ignored_hangup_stays_ignored(tmp_path, model_folder, clip):
    """`nohup lanes-video ... &` goes on when the terminal is closed."""
    job = Job(tmp_path, model_folder, clip, ignored=[signal.SIGHUP], **{"max-frames": 50})
    job.written()
    job.started.send(signal.SIGHUP)
    job.started.until(job.out.exists)
    frames, _ = job.check(0)
    assert frames == 50


STOPPED = """
import atexit, sys, time
from importlib.abc import MetaPathFinder

class Stop(MetaPathFinder):
    def find_spec(self, name, *words):
        if name == {place!r}:
            stop()

def stop():
    print("stopped", flush=True)
    time.sleep(30)

sys.meta_path.insert(0, Stop())
if {place!r} == "its end":
    atexit.register(stop)
from lanes.cli.start import {name}
{name}()
"""


@pytest.mark.parametrize("name", ["main", "video_main", "webcam_main"])
@pytest.mark.parametrize("place", ["lanes.cli.main", "numpy", "typer", "its end"])
def test_ctrl_c_is_silent_while_a_command_loads_and_closes(name, place):
    started = Started(STOPPED.format(place=place, name=name), ["--help"])
    printed = iter(started.process.stdout.readline, "")
    assert any("stopped" in line for line in printed)
    started.send(signal.SIGINT)
    code, _, errors = started.end()
    assert (code, errors) == (-signal.SIGINT, "")


SCRIPT = """
import sys, lanes
lanes.label_video(sys.argv[1], sys.argv[2], model=sys.argv[3], json=sys.argv[4])
print("not ended")
"""


def test_a_program_of_ones_own_is_ended_after_its_file(tmp_path, model_folder, pictures):
    """`label_video` finishes the video, and leaves SIGTERM its meaning."""
    words = [pictures, tmp_path / "out.mp4", model_folder, tmp_path / "out.jsonl"]
    started = Started(SCRIPT, words, tmp_path)
    hidden = hidden_name(tmp_path / "out.mp4")
    started.until(lambda: hidden.exists() and hidden.stat().st_size > 1000)
    started.send(signal.SIGTERM)
    code, printed, errors = started.end()
    assert (code, printed, errors) == (-signal.SIGTERM, "", "")
    assert check_left(tmp_path) > 0
