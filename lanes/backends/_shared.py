"""One engine shared by several threads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from lanes.types import Backend, ImageBatch, LabelBatch, Pending


@dataclass
class _Owed:
    """A batch that one thread waits for: `inner`, then its labels or its error."""

    inner: Pending
    labels: LabelBatch | None = None
    error: Exception | None = None


class SharedBackend:
    """See `lanes.types.Backend`; may be called by several threads.

    The engine needs its results taken in order. A caller that waits for an earlier batch takes its
    labels and keeps them for their owner, so that a slow caller blocks no other.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name, self.device = backend.name, backend.device
        self.precision, self.depth = backend.precision, backend.depth
        self.any_size = backend.any_size
        self._lock = threading.Lock()
        self._flying: deque[tuple[Pending, _Owed]] = deque()

    def submit(self, images: ImageBatch) -> Pending:
        """See `Backend`; if `depth` batches are in flight, waits for the oldest, of any caller."""
        with self._lock:
            while len(self._flying) >= self.depth:
                self._take()
            inner = self.backend.submit(images)
            owed = _Owed(inner)
            pending = Pending(owed, inner.submitted)
            self._flying.append((pending, owed))
            return pending

    def result(self, pending: Pending) -> LabelBatch:
        """See `Backend`."""
        owed: _Owed = pending.request
        with self._lock:
            while owed.labels is None and owed.error is None:
                self._take()
        if owed.error is not None:
            raise owed.error
        assert owed.labels is not None
        return owed.labels

    def __call__(self, images: ImageBatch) -> LabelBatch:
        """`submit` and `result` together."""
        return self.result(self.submit(images))

    def close(self) -> None:
        """Free the engine, for all callers."""
        with self._lock:
            self.backend.close()

    def _take(self) -> None:
        pending, owed = self._flying.popleft()
        try:
            owed.labels = self.backend.result(owed.inner)
            pending.finished, pending.scores = owed.inner.finished, owed.inner.scores
        except Exception as error:
            owed.error = error
