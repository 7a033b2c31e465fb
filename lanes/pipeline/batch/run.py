"""Labels a batch of inputs: finds them, chooses what is due, and keeps the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lanes.errors import BadInput
from lanes.pipeline.batch import cluster, manifest
from lanes.pipeline.batch.inputs import Found, find, place
from lanes.pipeline.batch.job import Job, Recipe
from lanes.pipeline.batch.manifest import DONE, FAILED, Manifest, Row, Stamp
from lanes.pipeline.batch.pool import LocalWorker, Pool, Worker
from lanes.system import ending
from lanes.system.threads import usable_cores

THREADS = 2
"""Threads of a worker: on two cores, one worker with two is faster than two with one each."""


@dataclass(frozen=True)
class Choice:
    """Which inputs to label: failed ones again, at most `limit`, all of them (`overwrite`).

    With `checksum`, an input has changed if its SHA-256 has, not its time.
    """

    retry_failed: bool = False
    checksum: bool = False
    overwrite: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Workers:
    """How many workers to use, and where: on this machine, or on the Ray cluster at `address`.

    By default one for every `THREADS` cores, or one for each input if these are fewer. `gpus` is
    the number of GPUs that each takes of the cluster.
    """

    count: int | None = None
    threads: int | None = None
    address: str | None = None
    gpus: float = 0

    def check(self) -> None:
        """Raise `BadInput` if a number is out of range."""
        if self.threads is not None and self.threads < 1:
            raise BadInput(f"--threads {self.threads}: give 1 or more, or leave it out")


@dataclass
class Plan:
    """What is to do: `due` jobs with the reason of each; `states` of the inputs that are not."""

    due: list[tuple[Job, str]] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)


@dataclass
class Progress:
    """How far a run is; `bytes` are those of the inputs that are done or failed in it."""

    plan: Plan
    workers: int = 0
    done: int = 0
    failed: int = 0
    frames: int = 0
    bytes: int = 0
    signal: int = 0

    @cached_property
    def total_bytes(self) -> int:
        """The size of all inputs that were due."""
        return sum(job.size for job, _ in self.plan.due)

    def note(self, row: Row) -> None:
        """Count an input."""
        self.done += row.state == DONE
        self.failed += row.state == FAILED
        self.frames += row.frames
        self.bytes += row.bytes


def plan(inputs: Sequence[str], outdir: Path, recipe: Recipe, choice: Choice) -> Plan:
    """What `label` would do; changes nothing.

    Raises:
        BadInput: an input or option cannot be used, or the results there have other options.
        BadOutput: `outdir` holds a manifest that is not ours.
    """
    rows = manifest.read(outdir / manifest.NAME)
    return _plan(find(inputs, outdir), outdir, recipe, choice, rows)


def label(
    inputs: Sequence[str],
    outdir: Path,
    recipe: Recipe,
    choice: Choice,
    workers: Workers,
    tick: Callable[[Progress, Row | None], None] = lambda progress, row: None,
) -> Progress:
    """Label what is due of `inputs` into `outdir`, a folder for each input, and manifest.csv.

    A folder appears when it is whole. `tick(progress, row)` is called with each new row, and with
    None several times a second. A signal (Ctrl-C, SIGTERM) ends the workers at once; the next run
    does again what they were at.

    Raises:
        BadInput, UnknownName: see `plan`; no model has that name.
        BadOutput: results cannot be written, or another run writes there.
        MissingDependency: Ray is not installed, for a cluster.
    """
    recipe.check()
    workers.check()
    found = find(inputs, outdir)
    with manifest.opened(outdir) as table:
        progress = Progress(_plan(found, outdir, recipe, choice, table.rows))
        if jobs := [job for job, _ in progress.plan.due]:
            table.begin(str(job.input) for job in jobs)
            with ending.finishing() as end, _pool(recipe, workers, len(jobs)) as pool:
                progress.workers = pool.count
                _label(jobs, pool, table, progress, tick)
                progress.signal = end.number
    return progress


def _label(
    jobs: list[Job],
    pool: Pool,
    table: Manifest,
    progress: Progress,
    tick: Callable[[Progress, Row | None], None],
) -> None:
    with closing(pool.label(jobs)) as rows:
        for row in rows:
            if row:
                table.append(row)
                progress.note(row)
            tick(progress, row)
            if ending.asked():
                return


@contextmanager
def _pool(recipe: Recipe, workers: Workers, jobs: int) -> Iterator[Pool]:
    """The workers, which share the cores unless their number of threads is given."""
    if workers.address is None:
        count, threads = split(usable_cores(), jobs, workers)
        yield Pool(lambda: LocalWorker(recipe, threads), count, recipe)
        return
    threads = workers.threads or 1
    with cluster.connected(workers.address) as ray:
        count = workers.count or cluster.places(ray, threads, workers.gpus)

        def make() -> Worker:
            return cluster.RayWorker(ray, recipe, threads, workers.gpus)

        yield Pool(make, min(count, jobs), recipe)


def split(cores: int, jobs: int, workers: Workers) -> tuple[int, int]:
    """How many workers for `jobs` on `cores`, and the threads of each, `THREADS` if they fit.

    >>> split(8, 100, Workers()), split(8, 2, Workers()), split(8, 100, Workers(threads=4))
    ((4, 2), (2, 4), (2, 4))
    """
    fits = cores // (workers.threads or THREADS)
    count = max(1, min(workers.count or fits, jobs))
    return count, workers.threads or max(1, cores // count)


def _plan(
    found: Found, outdir: Path, recipe: Recipe, choice: Choice, rows: Mapping[str, Row]
) -> Plan:
    outdir = outdir.absolute()
    known = {row.input: row.output for row in rows.values() if row.output}
    taken = set(known.values())
    result = Plan()
    for path in found.files:
        row = rows.get(str(path))
        stamp = Stamp.of(path, choice.checksum and row is not None)
        if reason := _why_due(row, stamp, outdir, recipe, choice):
            folder = place(path, found.root, known, taken)
            job = Job(path, outdir, folder, stamp.bytes, choice.checksum)
            result.due.append((job, reason))
        elif row:
            result.states[row.state] += 1
    result.due = result.due[: choice.limit]
    return result


def _why_due(
    row: Row | None, stamp: Stamp, outdir: Path, recipe: Recipe, choice: Choice
) -> str | None:
    """Why an input is to be labelled; None if it is not."""
    if row is None:
        return "new"
    if _changed(row.stamp, stamp):
        return "changed"
    if row.state == FAILED:
        return "failed before" if choice.retry_failed else None
    if not (outdir / row.output).is_dir():
        return "its results are missing"
    if choice.overwrite:
        return "to overwrite"
    made, wanted = [row.model, row.options], [recipe.model, recipe.options]
    if made != wanted:
        raise BadInput(
            f"{outdir} holds results of {' '.join(made)}, and these would be of "
            f"{' '.join(wanted)}; choose another folder (-o), or --overwrite to label all again"
        )
    return None


def _changed(before: Stamp, now: Stamp) -> bool:
    if before.sha256 and now.sha256:
        return before.sha256 != now.sha256
    return (before.bytes, before.mtime_ns) != (now.bytes, now.mtime_ns)
