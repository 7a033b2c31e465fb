"""Every part of `lanes` explains itself, refuses what it does not know, and scripts/ call them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lanes.cli import main as cli
from lanes.cli.main import run

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMMANDS = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
LEARNING = {"train", "export", "half", "evaluate", "quantize", "stability", "teach", "distill"}


def test_what_a_wheel_can_learn_with():
    assert set(COMMANDS) >= LEARNING


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_unknown_options(command, capsys):
    assert run(command, ["--help"]) == 0
    assert f" {command} " in capsys.readouterr().out
    if command != "dashboard":  # it passes on what it does not know
        assert run(command, ["--nonsense"]) == 2
        assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "argv", "message"),
    [
        ("train_lanes", ["--data", "synthetic"], "either --steps or --minutes"),
        ("train_cells", ["--data", "synthetic", "--steps", "1"], "'lanes'"),
        ("train_lanes", ["--config", "none.toml", "--data", "synthetic"], "none.toml"),
        ("export", ["none.pt", "folder"], "none.pt"),
        ("export", ["none.pt", "folder", "--logit-bias", "1,x"], "--logit-bias '1,x'"),
        ("evaluate", ["lanes-tiny", "roads"], "'roads'"),
    ],
)
def test_the_scripts_are_the_commands(script, argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"](argv) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_recover_names_what_killed_runs_left(tmp_path, capsys):
    (tmp_path / ".a.part.jsonl").write_text("{}\n")
    (tmp_path / ".b.part.mp4").write_bytes(b"half")
    assert run("recover", [str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"recovered: {tmp_path / 'a.jsonl'}"
    assert printed[1].endswith(str(tmp_path / ".b.part.mp4"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert run("recover", [str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: nothing to recover\n"
    assert run("recover", [str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
