"""Killed workers and runs: whole results only, one row an input, and the next run goes on."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time

import pytest

from clips import make_clip
from ended import Started, command, frames_of
from lanes.pipeline.batch.manifest import NAME, UNFINISHED

CLIPS = 4
FRAMES, LONG = 10, 300
PATIENCE = 240
"""Seconds for a whole run; on a machine of 2 cores with a load of 44, one took over 60."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE)]


@pytest.fixture
def clips(tmp_path):
    """Short clips, one much longer, and a broken one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(CLIPS):
        make_clip(folder / f"{number}.mp4", frames=FRAMES)
    make_clip(folder / "long.mp4", frames=LONG)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


class Batch:
    """`lanes batch` of a folder with two workers, as a command."""

    def __init__(self, folder, model):
        self.out = folder.parent / "out"
        words = ["batch", folder, "-o", self.out, "--model", model, "--backend", "onnxruntime"]
        self.started = Started(command("main"), [*words, "--workers", "2"])

    def until_rows(self, count):
        self.started.until(lambda: len(rows(self.out)) >= count)

    def workers(self):
        """The processes of the workers."""
        words = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.started.process.pid)]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return [int(line.split()[0]) for line in text.splitlines() if "spawn_main" in line]


def rows(out):
    """The manifest, read by nothing of ours."""
    if not (out / NAME).exists():
        return []
    with (out / NAME).open() as file:
        return [row for row in csv.DictReader(file) if row["sha256"] is not None]


def check_whole(out):
    """Every video that has its name is whole, and nothing unfinished is left by a complete run."""
    found = sorted(out.rglob("*_lanes.mp4"))
    found = [path for path in found if UNFINISHED not in path.parts]
    for path in found:
        assert frames_of(path) == (LONG if "long" in path.name else FRAMES), path
    return len(found)


def check_complete(out):
    table = rows(out)
    assert len({row["input"] for row in table}) == len(table) == CLIPS + 2
    assert sorted(row["state"] for row in table) == ["done"] * (CLIPS + 1) + ["failed"]
    assert check_whole(out) == CLIPS + 1
    assert not (out / UNFINISHED).exists()


def gone(pids):
    deadline = time.monotonic() + PATIENCE
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < deadline, "workers outlive a killed command"
        time.sleep(0.05)


def test_a_killed_worker_is_replaced(clips, model_folder):
    batch = Batch(clips, model_folder)
    batch.until_rows(1)
    os.kill(batch.workers()[0], signal.SIGKILL)
    code, _, errors = batch.started.end(PATIENCE)
    assert code == 1, errors  # the broken video
    check_complete(batch.out)


def test_a_killed_run_is_finished_by_the_next(clips, model_folder):
    batch = Batch(clips, model_folder)
    batch.until_rows(3)
    workers = batch.workers()
    assert workers
    batch.started.send(signal.SIGKILL)
    batch.started.end(PATIENCE)
    gone(workers)
    before = rows(batch.out)
    assert 3 <= len(before) < CLIPS + 2
    check_whole(batch.out)
    again = Batch(clips, model_folder)
    code, printed, errors = again.started.end(PATIENCE)
    assert code == 1, errors
    after = rows(again.out)
    assert after[: len(before)] == before
    added = [row["state"] for row in after[len(before) :]]
    assert f"{added.count('done')} labelled, {added.count('failed')} failed" in printed
    check_complete(again.out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_at_once(clips, model_folder, number):
    batch = Batch(clips, model_folder)
    batch.until_rows(2)
    workers = batch.workers()
    batch.started.send(number)
    code, _, errors = batch.started.end(PATIENCE)
    assert code == 128 + number, errors
    assert "Traceback" not in errors
    gone(workers)
    check_whole(batch.out)
    assert not (batch.out / UNFINISHED).exists()
