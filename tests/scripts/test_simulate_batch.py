"""The simulated batch: times worked out by hand, and what the command prints."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from lanes.pipeline.batch.manifest import Row, opened

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate_batch.py"


@pytest.fixture(scope="module")
def script():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def run_of(script, *args, **options):
    run = script.simulate(*args, **options)
    return run.total, run.ideal, run.waiting, run.tail


def test_times_by_hand(script):
    # Two workers: 3 s and 1 s, then the second one takes 1 s.
    assert run_of(script, [3, 1, 1], workers=2, dispatch=0) == (3, 2.5, 0, 1)
    # The driver needs 1 s for each: inputs begin at 1, 2 and 5 s.
    assert run_of(script, [3, 3, 1], workers=2, dispatch=1) == (6, 3.5, 2.0, 1)
    # Workers are ready after 10 s.
    assert run_of(script, [3, 1, 1], workers=2, dispatch=0, start=10) == (13, 2.5, 0, 1)
    # More workers than inputs.
    assert run_of(script, [4], workers=4, dispatch=0) == (4, 1, 0, 4)


def test_a_driver_that_is_the_bound(script):
    run = script.simulate([1.0] * 1000, workers=1000, dispatch=0.1)
    assert run.total == pytest.approx(101)


def test_longest_first_has_the_shorter_tail(script):
    durations = [1.0] * 100 + [50.0]
    late = script.simulate(durations, workers=10, dispatch=0)
    soon = script.simulate(sorted(durations)[::-1], workers=10, dispatch=0)
    assert late.total == 60
    assert soon.total == 50


def test_the_command(script, tmp_path, capsys):
    with opened(tmp_path / "out") as table:
        table.begin(())
        table.append(Row("a.mp4", "done", 100, seconds=2.0))
        table.append(Row("b.mp4", "done", 100, seconds=4.0))
        table.append(Row("c.mp4", "failed"))
    words = [str(tmp_path / "out/manifest.csv"), "--workers", "10", "--inputs", "1000"]
    assert script.main([*words, "--dispatch-ms", "0"]) == 0
    printed = capsys.readouterr().out
    assert "1000 inputs like 2, 2.0 to 4.0 s each" in printed
    assert "waiting for the driver 0.0 s a worker" in printed
    assert script.main([*words, "--scratch", str(tmp_path)]) == 0
    assert "measured, a row with fsync" in capsys.readouterr().out


def test_an_empty_manifest(script, tmp_path, capsys):
    assert script.main([str(tmp_path / "none.csv")]) == 2
    assert "has no input that is done" in capsys.readouterr().err
