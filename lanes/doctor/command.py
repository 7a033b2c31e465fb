"""Implements `lanes doctor`: check, print, write; the exit code is 1 if there is a problem."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lanes.doctor.examine import Finding, Report, State, examine
from lanes.errors import INCOMPLETE
from lanes.system.machine import machine
from lanes.video.output_files import check_place, write_json

MARKS: dict[State, str] = {"works": "[green]ok[/]", "note": "[dim]-[/]", "problem": "[red]!![/]"}


def run_doctor(json: Path | None, overwrite: bool) -> int:
    """Examine this machine; returns the exit code, 1 if there is a problem."""
    check_place(json, overwrite)
    with Console(stderr=True).status("checking") as status:
        report = examine(lambda section: status.update(f"checking {section}"))
    show(report, Console())
    if json:
        write_json(json, report.to_dict())
    return INCOMPLETE if report.problems else 0


def show(report: Report, console: Console) -> None:
    """Print the findings by section, then the problems with their cures."""
    facts = report.machine
    console.print(f"{facts}; Python {facts.python}", highlight=False, markup=False)
    for section, findings in groupby(report.findings, lambda finding: finding.section):
        console.print(f"\n[bold]{section}[/]")
        console.print(_table(list(findings)))
    console.print()
    for problem in report.problems:
        cure = f": {problem.cure}" if problem.cure else ""
        line = f"problem: {problem.name}: {problem.detail}{cure}"
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    if not report.problems:
        console.print("lanes works on this machine.")


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = f"{finding.detail}: {finding.cure}" if finding.cure else finding.detail
        table.add_row(MARKS[finding.state], escape(finding.name), escape(text))
    return table


def run_gpu(json: Path | None, overwrite: bool) -> int:
    """Check the GPU backend, printing each step as it finishes; the exit code is 1 if one failed.

    Takes minutes if engines must be built.
    """
    from lanes.doctor.gpu import Check, check_gpu

    check_place(json, overwrite)
    console = Console()

    def show_check(check: Check) -> None:
        mark = MARKS["works" if check.ok else "problem"]
        line = f"{mark} {escape(check.name)}: {escape(check.detail)}"
        console.print(line, highlight=False, soft_wrap=True)

    found = check_gpu(on_check=show_check)
    healthy = all(check.ok for check in found)
    if json:
        values = {"machine": asdict(machine()), "checks": [asdict(check) for check in found]}
        write_json(json, {**values, "healthy": healthy})
    return 0 if healthy else INCOMPLETE
