"""Stages that overlap: iterators that compose, each with a bounded queue between two threads.

An error of any stage reaches the caller as it was raised; leaving a loop early ends the threads.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from lanes.resize import resize_image
from lanes.segmenter import Segmenter
from lanes.types import Frame, Pending, Result

T = TypeVar("T")
POLL_SECONDS = 0.1
"""How soon a thread that waits for room or work sees that it should end."""


class _End:
    """The last item of a queue: the source is empty, or raised `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[T], depth: int = 4, newest: bool = False) -> Generator[T, None, None]:
    """Iterate over `items` in a thread of its own, up to `depth` ahead.

    With `newest` (cameras) a full queue drops its oldest item instead of making the source wait.
    An error that `items` raises is raised here, after the items before it.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | _End) -> None:
        drop = newest and not isinstance(item, _End)
        while not stop.is_set():
            try:
                waiting.put(item, block=not drop, timeout=POLL_SECONDS)
                break
            except queue.Full:
                if drop:
                    _drop(waiting)

    def read() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(_End())
        except BaseException as error:
            put(_End(error))

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _get(waiting), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        stop.set()
        thread.join()


def _drop(waiting: queue.Queue[Any]) -> None:
    with contextlib.suppress(queue.Empty):
        waiting.get_nowait()


def _get(waiting: queue.Queue[T]) -> T:
    # A wait without a timeout could not be interrupted by Ctrl-C on Windows.
    while True:
        try:
            return waiting.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue


def timed(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Note on each frame how long the source took to make it (`Frame.decode_seconds`)."""
    iterator = iter(frames)
    while True:
        began = time.perf_counter()
        try:
            frame = next(iterator)
        except StopIteration:
            return
        frame.decode_seconds = time.perf_counter() - began
        yield frame


def segment(frames: Iterable[Frame], segmenter: Segmenter) -> Iterator[Result]:
    """Label `frames` in order, while up to `backend.depth` of them are in the engine.

    `Result.seconds` holds "decode", "resize" and "infer"; the last is the engine's own time, the
    wait behind the batch before it left out.
    """
    flying: deque[tuple[Frame, Pending, float]] = deque()
    idle_since = 0.0

    def land() -> Result:
        nonlocal idle_since
        frame, pending, resize_seconds = flying.popleft()
        labels = segmenter.result(pending)
        infer_seconds = pending.finished - max(pending.submitted, idle_since)
        idle_since = pending.finished
        seconds = {
            "decode": frame.decode_seconds,
            "resize": resize_seconds,
            "infer": infer_seconds,
        }
        return Result(frame, labels, seconds)

    for frame in frames:
        began = time.perf_counter()
        image = resize_image(frame.bgr, segmenter.card.resize)
        resize_seconds = time.perf_counter() - began
        if len(flying) == segmenter.backend.depth:
            yield land()
        flying.append((frame, segmenter.submit_resized(image), resize_seconds))
    while flying:
        yield land()


class Background(Generic[T]):
    """Hands items to `consume` in a thread of its own, at most `depth` waiting.

    Its error is raised by the next `put`, or at the end of the `with` block. The block's own error
    ends it at once; Ctrl-C lets it finish what was put, so that the output stays whole.
    """

    def __init__(self, consume: Callable[[T], None], depth: int = 4) -> None:
        self._waiting: queue.Queue[T | _End] = queue.Queue(depth)
        self._consume = consume
        self._error: BaseException | None = None
        self._drop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            if self._error or self._drop.is_set():
                continue
            try:
                self._consume(item)
            except BaseException as error:
                self._error = error

    def put(self, item: T) -> None:
        """Queue `item`; waits while the queue is full; raises what `consume` raised."""
        if self._error:
            raise self._error
        self._waiting.put(item)

    def __enter__(self) -> Background[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self._drop.set()
        self._waiting.put(_End())
        self._thread.join()
        if self._error and error is None:
            raise self._error
