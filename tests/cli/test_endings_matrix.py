"""Every signal at every moment, and 200 kills at random: nothing but the last second is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from clips import make_clip
from ended import LIMIT, RATE, Job, check_left, noisy_pictures, slack, until_named, videos
from lanes.video.part import copy_name, hidden_name
from lanes.video.recover import recover

pytestmark = pytest.mark.slow
SIGNALS = {
    "INT": ([signal.SIGINT], 130),
    "TERM": ([signal.SIGTERM], 143),
    "HUP": ([signal.SIGHUP], 129),
    "INT twice": ([signal.SIGINT, signal.SIGINT], 130),
    "TERM, INT": ([signal.SIGTERM, signal.SIGINT], 143),
    "KILL": ([signal.SIGKILL], -signal.SIGKILL),
}
FRAMES = 80
MANY = 240
"""Frames of a run that lasts longer than the moments at which it is killed."""
WORKERS = 8


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return noisy_pictures(tmp_path_factory.mktemp("long"), (360, 640))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", 500, audio="aac")


def wait_until(job, moment, random):
    """Wait for a moment of a job of `FRAMES` frames."""
    hidden, lines = hidden_name(job.out), hidden_name(job.folder / "out.jsonl")
    job.written()
    if moment == "middle":
        time.sleep(random.uniform(0.2, 1.5))
    elif moment == "end":
        job.started.until(
            lambda: (
                job.out.exists()
                or (
                    lines.exists()
                    and lines.read_text().count("\n") >= FRAMES - random.randint(1, 20)
                )
            )
        )
    elif moment == "index":
        job.started.until(lambda: job.out.exists() or copy_name(hidden).exists())


def send(job, numbers):
    for count, number in enumerate(numbers):
        time.sleep(0.3 * (count > 0))
        job.started.send(number)


def check(job, code, late=()):
    """It ended by the signal, or before it; `late` ones may find Python closing down."""
    job.check_end(code, 0, -signal.SIGINT, *(-number for number in late))


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
@pytest.mark.parametrize("moment", ["begin", "middle", "end", "index"])
@pytest.mark.parametrize("name", SIGNALS)
def test_video(tmp_path, model_folder, pictures, name, moment, quality):
    numbers, code = SIGNALS[name]
    words = {"quality": quality, "max-frames": FRAMES}
    job = Job(tmp_path, model_folder, pictures, **words)
    wait_until(job, moment, random.Random(f"{name} {moment} {quality}"))
    send(job, numbers)
    # A fast machine has completed the file by then.
    check(job, code, late=numbers if moment == "index" else ())
    if moment == "begin":
        recover(tmp_path)
        assert not list(tmp_path.glob(".*"))
        assert len(videos(tmp_path)) <= 1
    else:
        check_left(tmp_path)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("seconds", [1.5, 3])
def test_webcam(tmp_path, model_folder, clip, name, seconds):
    numbers, code = SIGNALS[name]
    job = Job(tmp_path, model_folder, clip, "webcam")
    job.written(seconds)
    send(job, numbers)
    check(job, code)
    # A player in real time leaves out frames that come too late.
    assert check_left(tmp_path) > (seconds - 1) * RATE / 3


NURSERY = """
import json, os, sys
from lanes import backends, segmenter
from lanes.cli import main, video
from lanes.pipeline import label_video

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        words, errors = json.loads(line)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        sys.exit(main.run("video", words))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.timeout(3600)
def test_200_kills(tmp_path, tmp_path_factory, model_folder):
    """At random moments from the start of the command to its end; half of them kill -9."""
    pictures = noisy_pictures(tmp_path_factory.mktemp("small"), (180, 320), MANY)
    counts, failures = Counter(), []
    with ThreadPoolExecutor(WORKERS) as pool:
        kill = partial(kills, tmp_path, model_folder, pictures, failures)
        for outcomes in pool.map(kill, range(WORKERS)):
            counts += outcomes
    print(counts)
    assert not failures
    assert counts.total() == 200
    assert counts["recovered"] > 50
    assert counts["kept"] > 30


def kills(folder, model, pictures, failures, part):
    """A share of the 200 kills, one after the other, and what became of the videos."""
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    counts = Counter()
    with nursery:
        for number in range(part, 200, WORKERS):
            place = folder / str(number)
            place.mkdir()
            try:
                counts[one_kill(nursery, place, model, pictures, random.Random(number))] += 1
            except AssertionError as error:
                failures.append(str(error))
    return counts


def one_kill(nursery, folder, model, pictures, random):
    """Run `lanes video` and kill it; what became of the video."""
    name = random.choice([*SIGNALS, *["KILL"] * (len(SIGNALS) - 2)])
    quality = random.choice(["fast", "balanced", "best"])
    words = [pictures, "--model", model, "--backend", "onnxruntime", "--quality", quality]
    words += ["-o", folder / "out.mp4", "--json", folder / "out.jsonl", "--max-frames", MANY]
    nursery.stdin.write(json.dumps([list(map(str, words)), str(folder / "errors")]) + "\n")
    nursery.stdin.flush()
    child = int(nursery.stdout.readline())
    hidden = hidden_name(folder / "out.mp4")
    begun = hidden.exists if random.random() < 0.85 else (lambda: True)
    while not begun() and not (folder / "out.mp4").exists():
        time.sleep(0.01)
    time.sleep(random.uniform(0, 2))
    for count, signal_number in enumerate(SIGNALS[name][0]):
        time.sleep(0.3 * (count > 0))
        with suppress(ProcessLookupError):  # it has ended
            os.kill(child, signal_number)
    seconds = until_named(hidden) if name != "KILL" else 0
    code = int(nursery.stdout.readline())
    errors = (folder / "errors").read_text()
    assert seconds < LIMIT + slack(), (folder, name, seconds, errors)
    assert "Traceback" not in errors, (folder, name, errors)
    # 1: while the command line was read.
    assert code in (0, 1, SIGNALS[name][1], *(-n for n in SIGNALS[name][0])), (folder, name, errors)
    had_name = (folder / "out.mp4").exists()
    recover(folder)
    lines = folder / "out.jsonl"
    if not videos(folder):
        assert not lines.exists() or len(lines.read_text().splitlines()) <= RATE, (folder, name)
        return "too early"
    frames = check_left(folder)
    assert code != 0 or frames == MANY
    return "whole" if code == 0 else "kept" if had_name else "recovered"
