"""Groups of options: a dataclass among a command's parameters is an option per field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from lanes.cli.groups import grouped

Many = Annotated[int, typer.Option("-m", "--many", help="How many.")]
Forks = Annotated[int, typer.Option(help="Of silver.")]


@dataclass(frozen=True)
class Eggs:
    """A group."""

    PANEL: ClassVar = "Breakfast"

    many: Many = 2
    soft: Annotated[bool, typer.Option("--soft/--hard")] = True


@pytest.fixture
def run():
    """Run a command with a group; returns the exit code and the output."""
    app = typer.Typer()

    @app.command()
    @grouped
    def cook(guest: Annotated[str, typer.Argument()], eggs: Eggs, forks: Forks = 1) -> None:
        """Cook eggs."""
        print(guest, eggs, forks)

    def run(*words):
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.output

    return run


def test_fields_are_options_in_a_panel(run):
    code, shown = run("--help")
    assert code == 0
    assert "Cook eggs." in shown
    panel = shown[shown.index("Breakfast") :]
    assert "How many." in panel
    assert "--hard" in panel
    assert "--forks" not in panel


def test_a_command_gets_its_group(run):
    assert run("ada") == (0, "ada Eggs(many=2, soft=True) 1\n")
    assert run("ada", "-m", "3", "--hard") == (0, "ada Eggs(many=3, soft=False) 1\n")


def test_wrong_values_name_the_option(run):
    code, shown = run("ada", "--many", "x")
    assert code == 2
    assert "--many" in shown
