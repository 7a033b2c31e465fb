"""Workers that label jobs at the same time, each in a process of its own.

A thread here drives each worker. If a worker ends (killed, crashed, its machine gone), its thread
starts another one and the job is done again.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Protocol

from lanes.errors import BackendError
from lanes.pipeline.batch.job import Job, Labeller, Recipe, failed, new_row
from lanes.pipeline.batch.manifest import Row
from lanes.system.fresh_process import FreshProcess

ATTEMPTS = 2
"""How many workers an input may end before it counts as failed."""
TICK = 0.2
"""Seconds between two looks at signals and the clock."""


class Worker(Protocol):
    """Labels one job at a time in another process."""

    def do(self, job: Job) -> Row:
        """Label an input; raises `BackendError` if the worker ended."""

    def close(self) -> None:
        """End the process at once, also while another thread waits for it."""


class LocalWorker:
    """A process on this machine with a loaded model.

    Raises:
        LanesError: the model cannot be loaded.
    """

    def __init__(self, recipe: Recipe, threads: int) -> None:
        self._process = FreshProcess(Labeller, recipe, threads, patience=None)
        try:
            self._process.call("start")
        except BaseException:
            self.close()
            raise

    def do(self, job: Job) -> Row:
        """See `Worker`."""
        row: Row = self._process.call("do", job)
        return row

    def close(self) -> None:
        """See `Worker`."""
        self._process.close()


class Pool:
    """Up to `count` workers that `make` starts, the first one before the others.

    So an error of the model is raised once, and the engine that the first worker chose is in the
    cache of the others.
    """

    def __init__(self, make: Callable[[], Worker], count: int, recipe: Recipe) -> None:
        self._make, self.count, self._recipe = make, count, recipe
        self._jobs: deque[Job] = deque()
        self._ended: Counter[Job] = Counter()
        self._open = 0
        self._changed = threading.Condition()
        self._results: queue.SimpleQueue[Row | Exception] = queue.SimpleQueue()
        self._workers: set[Worker] = set()

    def label(self, jobs: Sequence[Job]) -> Generator[Row | None]:
        """The rows of `jobs` as they are done, and None now and then, while nothing is.

        Closing the iterator ends all workers at once.

        Raises:
            LanesError: no worker can be started.
        """
        self._jobs.extend(jobs)
        self._open = len(jobs)
        drivers = 0
        try:
            first: Worker | None = self._started()
            for _ in range(min(self.count, len(jobs))):
                threading.Thread(target=self._drive, args=(first,), daemon=True).start()
                first, drivers = None, drivers + 1
            done = 0
            while done < len(jobs):
                result = self._next()
                if isinstance(result, Exception):
                    drivers -= 1
                    if not drivers:
                        raise result
                    continue
                done += result is not None
                yield result
        finally:
            self._stop()

    def _next(self) -> Row | Exception | None:
        with suppress(queue.Empty):
            return self._results.get(timeout=TICK)
        return None

    def _stop(self) -> None:
        with self._changed:
            self._open = 0
            self._changed.notify_all()
            workers = list(self._workers)
        for worker in workers:
            worker.close()

    def _drive(self, worker: Worker | None) -> None:
        """Label jobs until all are done; a new worker replaces one that ended."""
        try:
            while self._open:
                worker = worker or self._started()
                self._use(worker)
                self._forget(worker)
                worker = None
        except Exception as error:
            self._results.put(error)

    def _use(self, worker: Worker) -> None:
        """Label jobs with a worker until it ends or all are done."""
        while job := self._take():
            try:
                row = worker.do(job)
            except BackendError as end:
                self._again(job, end)
                return
            self._finish(row)

    def _started(self) -> Worker:
        worker = self._make()
        with self._changed:
            self._workers.add(worker)
        return worker

    def _forget(self, worker: Worker) -> None:
        with self._changed:
            self._workers.discard(worker)
        worker.close()

    def _take(self) -> Job | None:
        """The next job; None once all are done. Waits, because a worker may yet give one back."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or not self._open)
            return self._jobs.popleft() if self._open else None

    def _again(self, job: Job, end: BackendError) -> None:
        """Do a job again whose worker ended, unless it has ended too many."""
        with self._changed:
            self._ended[job] += 1
            if self._ended[job] < ATTEMPTS:
                self._jobs.appendleft(job)
                self._changed.notify()
                return
        reason = f"{job.input} ended {ATTEMPTS} workers: {end}; try it alone with lanes video"
        self._finish(failed(new_row(job, self._recipe), reason))

    def _finish(self, row: Row) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
        self._results.put(row)
