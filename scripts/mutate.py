"""Mutation testing: change the code in one place at a time, and see whether a test fails.

    python scripts/mutate.py --count 100 --seed 0

A surviving mutant is a change that no test notices (DeMillo, Lipton & Sayward 1978). All work is
done in a copy of the checkout. The tests run once with coverage, to learn which of them execute a
line; each mutant then runs those until one fails. Prints the survivors and the share killed; the
exit code is 1 if that is below --least.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import coverage

ROOT = Path(__file__).parents[1]
FOLDER = Path(gettempdir()) / "lanes-mutate"
TESTS = 600
"""The most tests that a mutant runs: the nearest first."""
SWAPS: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change of `file`: the text from `start` to `end` (line, column in bytes) becomes `new`."""

    file: str
    start: tuple[int, int]
    end: tuple[int, int]
    new: str

    def applied(self, source: str) -> str:
        """`source` with the change."""
        lines = source.encode().splitlines(keepends=True)
        first, last = self.start[0] - 1, self.end[0] - 1
        tail = lines[last][self.end[1] :]
        lines[first] = lines[first][: self.start[1]] + self.new.encode() + tail
        del lines[first + 1 : last + 1]
        return b"".join(lines).decode()

    def described(self, source: str) -> str:
        """The line before and after."""
        before = source.splitlines()[self.start[0] - 1].strip()
        after = self.applied(source).splitlines()[self.start[0] - 1].strip()
        return f"{self.file}:{self.start[0]}\n    - {before}\n    + {after}"


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every mutant of a file, inside its functions."""
    found: dict[Mutant, None] = {}
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for node in _nodes(function.body):
                for place, new in _changes(node):
                    end = (place.end_lineno or 0, place.end_col_offset or 0)
                    mutant = Mutant(file, (place.lineno, place.col_offset), end, new)
                    found[mutant] = None  # nested functions are walked twice
    return list(found)


def _nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes of a body, but those within f-strings, whose positions are not exact."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ast.JoinedStr | ast.Raise):
            yield node
            waiting += ast.iter_child_nodes(node)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """The mutations of one node: what is replaced, and by which text."""
    if isinstance(node, ast.Compare) and (swap := SWAPS.get(type(node.ops[0]))):
        new = ast.Compare(node.left, [swap(), *node.ops[1:]], node.comparators)
        yield node, f"({ast.unparse(new)})"
    elif isinstance(node, ast.BoolOp):
        yield node, f"({ast.unparse(ast.BoolOp(SWAPS[type(node.op)](), node.values))})"
    elif isinstance(node, ast.BinOp) and (swap := SWAPS.get(type(node.op))):
        yield node, f"({ast.unparse(ast.BinOp(node.left, swap(), node.right))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, ast.unparse(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node, str(node.value + 1)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        yield node.test, f"(not ({ast.unparse(node.test)}))"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node, "pass"
    elif isinstance(node, ast.Return) and node.value is not None:
        yield node, "return None"


def tests_by_line(data: Path, files: list[str], copy: Path) -> dict[tuple[str, int], list[str]]:
    """The tests that execute each line, from coverage's data file."""
    recorded = coverage.CoverageData(str(data))
    recorded.read()
    found: dict[tuple[str, int], list[str]] = {}
    for file in files:
        for line, contexts in recorded.contexts_by_lineno(str(copy / file)).items():
            tests = sorted({c.partition("|")[0] for c in contexts if "::" in c})
            if tests:
                found[file, line] = tests
    return found


def nearest(tests: list[str], file: str, chance: random.Random) -> list[str]:
    """At most `TESTS` of `tests`, those beside `file` first: of its name, then of its room."""
    room, stem = Path(file).parts[1], Path(file).stem.strip("_")
    mixed = chance.sample(tests, len(tests))
    mixed.sort(key=lambda test: (stem not in test.partition("::")[0], f"/{room}/" not in test))
    return mixed[:TESTS]


def pytest(copy: Path, *arguments: str, seconds: float | None = None) -> int:
    """Run pytest in `copy`; returns its exit code, 124 if it takes longer than `seconds`.

    With `seconds` it prints nothing.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    log = None if seconds is None else subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, timeout=seconds, stdout=log, stderr=log, check=False
        )
    except subprocess.TimeoutExpired:
        return 124
    return done.returncode


def survives(mutant: Mutant, tests: list[str], copy: Path, seconds: float) -> bool:
    """Whether all `tests` pass with the mutant, within `seconds`: a mutant may hang."""
    path = copy / mutant.file
    source = path.read_text()
    path.write_text(mutant.applied(source))
    try:
        return pytest(copy, "-x", *tests, seconds=seconds) == 0
    finally:
        path.write_text(source)


def main() -> int:
    """Parse the command line, make and run the mutants."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--count", type=int, default=100, help="how many mutants")
    options.add_argument("--seed", type=int, default=0, help="which mutants")
    options.add_argument("--least", type=float, default=0.8, help="the share to be killed, 0..1")
    options.add_argument("--seconds", type=float, default=120, help="a slower mutant is killed")
    options.add_argument("--reuse", action="store_true", help="reuse the last run's coverage")
    given = options.parse_args()
    chance = random.Random(given.seed)
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "lanes").rglob("*.py"))]
    copy, data = FOLDER / "copy", FOLDER / "coverage"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "runs"))
    if not (given.reuse and data.exists()):
        code = pytest(copy, "--cov=lanes", "--cov-context=test", "--cov-report=")
        if code:
            print("the tests fail without a mutant; see the log above", file=sys.stderr)
            return 2
        shutil.move(copy / ".coverage", data)
    tests = tests_by_line(data, files, copy)
    mutants = [
        mutant
        for file in files
        for mutant in mutants_of(file, (ROOT / file).read_text())
        if (file, mutant.start[0]) in tests
    ]
    survivors = []
    chosen = chance.sample(mutants, given.count)
    for number, mutant in enumerate(chosen, 1):
        near = nearest(tests[mutant.file, mutant.start[0]], mutant.file, chance)
        if survives(mutant, near, copy, given.seconds):
            survivors.append(mutant)
            print(mutant.described((ROOT / mutant.file).read_text()), flush=True)
        print(f"{number}/{given.count}, {len(survivors)} survive", file=sys.stderr, flush=True)
    share = 1 - len(survivors) / given.count
    print(f"{len(mutants)} mutants, {given.count} tried, seed {given.seed}: {share:.0%} killed")
    return int(share < given.least)


if __name__ == "__main__":
    sys.exit(main())
