"""Commands in processes of their own, ended by signals, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np

from lanes.video.part import hidden_name
from lanes.video.recover import recover

PATIENCE = 60
LIMIT = 3.0
RATE = 25


def frames_of(path):
    """The frames of a video, counted by PyAV alone."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def videos(folder):
    return sorted(path for path in folder.rglob("*.mp4") if path.name != "in.mp4")


def noisy_pictures(folder, size, count=3000):
    """Fill `folder` with pictures that are slow to encode."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / "0.jpg"), noise)
    for number in range(1, count):
        os.link(folder / "0.jpg", folder / f"{number}.jpg")
    return folder


def command(name):
    """The script of a command of `lanes.cli.start`."""
    return f"from lanes.cli.start import {name}; {name}()"


def slack():
    """Seconds by which a machine may be late that is as busy as this one is now."""
    return 1.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Started:
    """A `script` of Python with `words` that ignores the signals `ignored`; streams are pipes."""

    def __init__(self, script, words, folder=None, ignored=()):
        def set_signals():
            # Tests begun in the background ignore SIGINT, and under nohup SIGHUP.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=set_signals,
        )

    def until(self, begun, wait=0.0):
        """Wait for `begun()`, and `wait` seconds more."""
        deadline = time.monotonic() + PATIENCE
        while not begun() and self.process.poll() is None:
            assert time.monotonic() < deadline, "never begun"
            time.sleep(0.02)
        time.sleep(wait)

    def send(self, number):
        """Send a signal."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def end(self, patience=PATIENCE):
        """Wait for the end: exit code, standard output, standard error."""
        try:
            printed, errors = self.process.communicate(timeout=patience)
        finally:
            self.process.kill()
        return self.process.returncode, printed, errors


def until_named(hidden, ended=lambda: False):
    """Wait until an unfinished file has its name, or `ended()`; the seconds that this took."""
    began = time.monotonic()
    while hidden.exists() and not ended():
        assert time.monotonic() < began + PATIENCE, "never named"
        time.sleep(0.01)
    return time.monotonic() - began


class Job:
    """`lanes-video` or `lanes-webcam` that writes `folder`/out.mp4."""

    def __init__(self, folder, model, source, name="video", quality="fast", ignored=(), **words):
        self.folder, self.out = folder, folder / "out.mp4"
        options = [source, "--model", model, "--backend", "onnxruntime"]
        if name == "video":
            options += ["-o", self.out, "--quality", quality, "--json", folder / "out.jsonl"]
        else:
            options += ["--no-window", "--record", self.out]
        options += [part for key, value in words.items() for part in (f"--{key}", value)]
        self.started = Started(command(f"{name}_main"), options, folder, ignored)

    def written(self, seconds=0.0):
        """Wait until the video has begun, and `seconds` more."""
        hidden = hidden_name(self.out)
        self.started.until(lambda: self.out.exists() or hidden.exists() and hidden.stat().st_size)
        time.sleep(seconds)

    def check(self, code):
        """It ended with `code`, in time, and its video holds all but the last second."""
        errors = self.check_end(code)
        return check_left(self.folder), errors

    def check_end(self, *codes):
        """The video got its name in time, and the process ended without a traceback."""
        hidden, process = hidden_name(self.out), self.started.process
        seconds = until_named(hidden, lambda: process.poll() is not None)
        ended, printed, errors = self.started.end()
        assert ended in codes, (ended, printed, errors)
        assert "Traceback" not in errors, errors
        assert seconds < LIMIT + slack(), (seconds, errors)
        return errors


def check_left(folder):
    """`folder` holds out.mp4, with all but the last second; returns the number of its frames."""
    recover(folder)
    assert not list(folder.glob(".*"))
    assert videos(folder) == [folder / "out.mp4"]
    frames = frames_of(folder / "out.mp4")
    assert frames > 0
    lines = folder / "out.jsonl"
    if lines.exists():
        # A line is written when the encoder has been given the frame.
        numbers = [json.loads(line)["index"] for line in lines.read_text().splitlines()]
        assert numbers == list(range(len(numbers)))
        assert frames >= len(numbers) - RATE
    return frames
