"""What a run survives: kills, Ctrl-C, data that moved, broken files, a full disk, no memory."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lanes.errors import BadConfig, BadDataset, BadInput, BadOutput
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training.budget import Budget
from lanes.training.faults import in_words
from lanes.training.loop import SAVE_SECONDS, train

PROGRAM = """
import sys
from pathlib import Path
import torch
from lanes.training import config as configs, loop
from lanes.training.budget import Budget
torch.set_num_threads(1)
loop.SAVE_SECONDS = -1  # a checkpoint after every step
config = configs.read(Path(sys.argv[1]))
data = {"image_folder": sys.argv[2]}
loop.train(config, data, Budget(steps=int(sys.argv[4])), Path(sys.argv[3]), resume=True)
"""
STEPS, KILLS = 24, 2


@pytest.fixture
def config_file(make_config, tmp_path):
    config = make_config(validate_every=7, batch=4, accumulate=2, freeze=0.4, freeze_norms=True)
    (tmp_path / "tiny.toml").write_text(config.to_toml())
    return tmp_path / "tiny.toml"


def start(environment, *arguments):
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def wait_for(path, process, newer_than=0.0):
    while not (path.exists() and path.stat().st_mtime > newer_than):
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(
    config_file, root, tmp_path, environment
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(environment, config_file, root, whole, STEPS).wait() == 0
    moments = random.Random(17)
    steps = []
    for _ in range(KILLS):
        process = start(environment, config_file, root, killed, STEPS)
        before = (killed / "last.pt").stat().st_mtime if steps else 0.0
        wait_for(killed / "last.pt", process, before)
        time.sleep(moments.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps.append(checkpoints.load(killed / "last.pt").step)
    assert start(environment, config_file, root, killed, STEPS).wait() == 0
    assert 0 < steps[0] < STEPS, "the run was killed on its way"
    one, other = (checkpoints.load(folder / "last.pt") for folder in (whole, killed))
    assert one.step == other.step == STEPS
    for name in ("network", "ema"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), name
    assert one.metrics == pytest.approx(other.metrics, abs=0, nan_ok=True)
    logs = [(folder / "log.csv").read_text() for folder in (whole, killed)]
    assert logs[0] == logs[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(config_file, root, tmp_path, number):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "lanes.cli", "train", "--config", str(config_file)]
    command += ["--set", "workers=1", "--data", str(root), "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, "--steps", "100000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wait_for(folder / "best.pt", process)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 128 + number
    assert said.strip().endswith(f"go on with: lanes train --resume --folder {folder}")
    assert "Traceback" not in said
    assert checkpoints.load(folder / "last.pt").step >= 7


def test_a_checkpoint_is_written_within_half_a_minute():
    assert SAVE_SECONDS < 30


def test_the_data_may_have_moved_but_not_changed(make_config, data, root, tmp_path):
    folder, moved = tmp_path / "run", tmp_path / "moved"
    train(make_config(), data, Budget(steps=2), folder)
    shutil.copytree(root, moved)
    there = {"image_folder": str(moved)}
    assert train(make_config(), there, Budget(steps=2), folder, resume=True).data == there
    for index in (3, 5):  # at least one of them is learned from
        (moved / "train" / "images" / f"{index}.png").unlink()
    with pytest.raises(BadConfig, match=r"11 image_folder images.*now (9|10) image_folder"):
        train(make_config(), there, Budget(steps=2), folder, resume=True)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_worker_has_no_traceback(make_config, root, tmp_path, workers):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken)
    for mask in (broken / "train" / "labels").iterdir():
        cv2.imwrite(str(mask), np.full((64, 96), 9, np.uint8))
    config = make_config(workers=workers)
    with pytest.raises(BadDataset, match="holds the label 9") as error:
        train(config, {"image_folder": str(broken)}, Budget(steps=2), tmp_path / "run")
    first, *lines = str(error.value).split("\n")
    assert "Traceback" not in str(error.value)
    assert str(broken) in first
    assert lines == ["[ids]", '9 = "drivable"'], "the lines to write into labels.toml"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "--set accumulate=4"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "accumulate=4"),
        (MemoryError(), "not enough memory for 4 images of 96x64"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "workers=0"),
        (RuntimeError("unable to write to file </torch_1> in /dev/shm"), "lack shared memory"),
    ],
)
def test_a_lack_of_memory_is_one_line_with_its_cure(make_config, error, words):
    with (
        pytest.raises(BadInput, match=words) as found,
        in_words(make_config(batch=8, accumulate=2)),
    ):
        raise error
    assert "the last checkpoint is kept" in str(found.value)


def test_our_own_bugs_keep_their_traceback(make_config):
    with pytest.raises(RuntimeError, match="shape mismatch"), in_words(make_config()):
        raise RuntimeError("shape mismatch")


def test_a_full_disk_keeps_the_last_checkpoint(make_config, data, tmp_path, monkeypatch):
    best = train(make_config(), data, Budget(steps=2), tmp_path / "run")
    path = tmp_path / "run" / "last.pt"
    before = path.read_bytes()

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadOutput, match="No space left on device.*--resume goes on from it"):
        best.save(path)
    assert path.read_bytes() == before
    assert not [p for p in path.parent.iterdir() if ".part-" in p.name]


def test_a_run_without_gain_ends_early(make_config, data, tmp_path):
    config = make_config(learning_rate=1e-9, validate_every=1, patience=3)
    train(config, data, Budget(steps=50), tmp_path / "run")
    last = checkpoints.load(tmp_path / "run" / "last.pt")
    assert last.step == last.steps < 50
    assert last.step - checkpoints.load(tmp_path / "run" / "best.pt").step == 3


def test_a_plan_is_read_as_it_is_written(make_config, tmp_path):
    config = make_config(task='{"Grund": "#000000", "線": "#ff0000 line"}', sizes=[[0.0, [32, 64]]])
    (tmp_path / "plan.toml").write_text(config.to_toml(), encoding="utf-8")
    assert configs.read(tmp_path / "plan.toml") == config
