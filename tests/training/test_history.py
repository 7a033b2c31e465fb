"""`lanes runs` lists what was trained."""

from __future__ import annotations

from lanes.cli.main import run
from lanes.training.budget import Budget
from lanes.training.loop import train


def test_runs_are_listed_in_80_columns(make_config, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    train(make_config(), data, Budget(steps=4), tmp_path / "runs" / "first")
    best = train(make_config(), data, Budget(steps=3), tmp_path / "runs" / "[second] 道")
    best.steps = 6
    best.save(tmp_path / "runs" / "[second] 道" / "last.pt")
    capsys.readouterr()
    assert run("runs", []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    (first,) = [line for line in lines if "first" in line]
    (second,) = [line for line in lines if "[second] 道" in line]
    assert "done" in first
    assert "50%" in second
    assert lines.index(second) < lines.index(first)
    assert run("runs", ["nowhere"]) == 2
    assert "no folder nowhere" in capsys.readouterr().err
