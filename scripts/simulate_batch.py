"""How a batch would run on many workers: replays the durations of a manifest, event by event.

Nothing is labelled. Inputs are drawn from the rows of manifest.csv, each with its measured seconds.
The driver hands out one input at a time and writes each row to the disk before the next; that cost
is measured here (a row with fsync, in the folder of --scratch), or given by --dispatch-ms. Prints
the time of the whole run, of an ideal one, the wait for the driver, and the tail: how long workers
are idle at the end while others still label.

    python scripts/simulate_batch.py labelled/manifest.csv --workers 1000 --inputs 100000
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lanes.cli.guard import guarded
from lanes.errors import BadInput
from lanes.pipeline.batch import manifest

ROWS = 200
"""Rows to write for the measurement of one."""


@dataclass(frozen=True)
class Run:
    """The outcome of a simulated run, all in seconds.

    `ideal` is the work divided by the workers. `waiting` is the workers' mean wait for the driver,
    `tail` the time from the first worker without work to the end.
    """

    total: float
    ideal: float
    waiting: float
    tail: float

    @property
    def efficiency(self) -> float:
        """The share of the workers' time that is work, 0..1."""
        return self.ideal / self.total


def simulate(durations: Sequence[float], workers: int, dispatch: float, start: float = 0.0) -> Run:
    """Label inputs that take `durations` seconds, in this order, with `workers`.

    A worker is ready after `start` seconds; the driver needs `dispatch` seconds for each input.

    >>> simulate([2.0, 2.0, 2.0], workers=2, dispatch=0.0)
    Run(total=4.0, ideal=3.0, waiting=0.0, tail=2.0)
    """
    free = [start] * workers  # a heap: when each worker asks for its next input
    driver = waiting = 0.0
    for duration in durations:
        asked = heapq.heappop(free)
        given = max(asked, driver) + dispatch
        driver = given
        waiting += given - asked
        heapq.heappush(free, given + duration)
    total = max(free)
    return Run(total, sum(durations) / workers, waiting / workers, total - min(free))


def row_seconds(row: manifest.Row, folder: Path) -> float:
    """The seconds in which a row is on the disk of `folder`, the mean of `ROWS`."""
    with manifest.opened(folder) as table:
        table.begin(())
        began = time.perf_counter()
        for number in range(ROWS):
            table.append(replace(row, input=f"{row.input}-{number}"))
        return (time.perf_counter() - began) / ROWS


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="manifest.csv of a run of lanes batch")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--scale", type=float, default=1.0, help="factor for all durations")
    parser.add_argument("--start", type=float, default=0.0, help="seconds until a worker is ready")
    parser.add_argument("--dispatch-ms", type=float, help="the driver's time for an input")
    parser.add_argument("--scratch", type=Path, help="folder on the disk of the results")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    return guarded(lambda: _run(given))


def _run(given: argparse.Namespace) -> int:
    rows = [row for row in manifest.read(given.manifest).values() if row.state == manifest.DONE]
    if not rows:
        raise BadInput(f"{given.manifest} has no input that is done: run lanes batch first")
    if min(given.workers, given.inputs) < 1 or given.scale <= 0:
        raise BadInput("--workers and --inputs: wanted 1 or more; --scale: more than 0")
    dispatch, how = (given.dispatch_ms or 0) / 1e3, "given"
    if given.dispatch_ms is None:
        with TemporaryDirectory(dir=given.scratch) as folder:
            dispatch, how = row_seconds(rows[0], Path(folder)), "measured, a row with fsync"
    known = [row.seconds * given.scale for row in rows]
    durations = random.Random(given.seed).choices(known, k=given.inputs)
    print(f"{given.inputs} inputs like {len(rows)}, {min(known):.1f} to {max(known):.1f} s each")
    print(f"{given.workers} workers; the driver takes {dispatch * 1e3:.2f} ms an input ({how})")
    for name, order in (("as they come", durations), ("longest first", sorted(durations)[::-1])):
        run = simulate(order, given.workers, dispatch, given.start)
        print(
            f"{name}: {run.total:.1f} s, ideal {run.ideal:.1f} s ({run.efficiency:.1%}); "
            f"waiting for the driver {run.waiting:.1f} s a worker; tail {run.tail:.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
