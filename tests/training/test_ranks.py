"""Two processes under torchrun do what one does: losses, weights, metrics."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from lanes.training.mix import Draws, Place

PROGRAM = """
import os, sys
from pathlib import Path
import torch
from lanes.training import config as configs, loop, ranks
from lanes.training.budget import Budget
torch.set_num_threads(1)
losses, runs, step = [], [], loop.Run.train_step
def recorded(run, *parts):
    losses.append(step(run, *parts))
    runs[:] = [run]
    return losses[-1]
loop.Run.train_step = recorded
data, folder = {"image_folder": sys.argv[2]}, Path(sys.argv[3])
loop.train(configs.read(Path(sys.argv[1])), data, Budget(steps=5), folder)
run = runs[0]
found = losses, run.network.state_dict(), run.average.network.state_dict(), run.metrics
torch.save(found, folder / f"rank{ranks.number()}.pt")
"""


def test_the_draws_of_all_processes_are_those_of_one():
    def first(place):
        drawn = iter(Draws([1.0, 2.0, 3.0], seed=1, place=place))
        return [next(drawn) for _ in range(24 // place.parts)]

    together = sorted(first(Place(6, 0, 2)) + first(Place(6, 1, 2)), key=lambda draw: draw.number)
    assert together == first(Place(6, 0, 1))
    assert [draw.number for draw in first(Place(6, 1, 2))[:4]] == [3, 4, 5, 9]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_processes_train_as_one(make_config, root, tmp_path, environment):
    config = make_config(batch=4, validate_every=2, freeze_norms=True, learning_rate=1e-3)
    (tmp_path / "tiny.toml").write_text(config.to_toml())
    (tmp_path / "program.py").write_text(PROGRAM)
    given = [str(tmp_path / "program.py"), str(tmp_path / "tiny.toml"), str(root)]
    python = [sys.executable]
    torchrun = [*python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command, name in ((python, "one"), (torchrun, "two")):
        subprocess.run([*command, *given, str(tmp_path / name)], check=True, env=environment)
    one = torch.load(tmp_path / "one" / "rank0.pt")
    first, second = (torch.load(tmp_path / "two" / f"rank{k}.pt") for k in range(2))
    assert first[0] == pytest.approx(one[0], abs=1e-4)
    assert first[0] == second[0]
    for mine, theirs in zip(first[1:3], second[1:3], strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert first[3] == pytest.approx(second[3], abs=0, nan_ok=True)
    assert first[3] == pytest.approx(one[3], abs=0.02, nan_ok=True)
