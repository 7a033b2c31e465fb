"""Pipeline stages that overlap: composable iterators, with bounded queues between threads.

An error in any stage is raised in the caller; leaving a loop early ends the threads.

The work of a stage on one frame is a separate function, so that it can be timed alone:
`resize_frame` makes the network's input, `Segmenter.submit_resized` and `result` infer,
`draw.overlay.draw_labels` and `draw.hud.draw` draw, `VideoSink.write` encodes.
`lanes.system.threads` sets the number of threads of each.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from lanes.errors import BadInput
from lanes.images.resize import resize_frame
from lanes.pipeline.flow import Carrier, Flow, moved
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.types import Frame, Image, LabelMap, Pending, Result

T = TypeVar("T")
POLL_SECONDS = 0.1
"""How often a waiting thread checks whether it should end."""
TO_FINISH_SECONDS = 1.7
"""The time that remains for finishing the files after a signal."""


class _End:
    """The last item of a queue: the source is exhausted, or raised `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetched(Iterator[T]):
    """The items of `prefetch`; `close` ends its thread."""

    def __init__(self, items: Iterable[T], depth: int, newest: bool | Callable[[T], bool]) -> None:
        self._waiting: queue.Queue[T | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        # The thread does not hold this object, whose end is the thread's.
        words = (items, self._waiting, self._stop, newest)
        self._thread = threading.Thread(target=_read, args=words, name="prefetch", daemon=True)
        self._began = self._ended = False

    def __next__(self) -> T:
        if not (self._began or self._ended):
            self._began = True
            self._thread.start()
        item = _End() if self._ended else _get(self._waiting)
        if not isinstance(item, _End):
            return item
        self._ended = True
        self._stop.set()
        if item.error:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """End the thread, as soon as its source gives an item or fails."""
        self._ended = True
        self._stop.set()
        # The garbage collector may run in the thread itself.
        if self._began and threading.current_thread() is not self._thread:
            self._thread.join()

    def __del__(self) -> None:
        # A thread that reads on would read from a source that its owner closes next.
        self.close()


def prefetch(
    items: Iterable[T], depth: int = 4, newest: bool | Callable[[T], bool] = False
) -> Prefetched[T]:
    """Iterate over `items` in a separate thread, up to `depth` items ahead; close it at the end.

    With `newest` (cameras), a full queue drops its oldest item instead of blocking the source; a
    function says for which items.
    An error of `items` is raised here, after the items before it. After a signal that asks the
    process to end there are no more items, even if the source is silent.
    """
    return Prefetched(items, depth, newest)


def _read(
    items: Iterable[T],
    waiting: queue.Queue[T | _End],
    stop: threading.Event,
    newest: bool | Callable[[T], bool],
) -> None:
    """Put the items, and then an end, into the queue until `stop`."""

    def put(item: T | _End) -> None:
        drop = not isinstance(item, _End) and (newest(item) if callable(newest) else newest)
        while not stop.is_set():
            try:
                waiting.put(item, block=not drop, timeout=POLL_SECONDS)
                break
            except queue.Full:
                if drop:
                    _drop(waiting)

    try:
        for item in items:
            put(item)
            if stop.is_set():
                return
        put(_End())
    except BaseException as error:
        put(_End(error))


def _drop(waiting: queue.Queue[Any]) -> None:
    with contextlib.suppress(queue.Empty):
        waiting.get_nowait()


def _get(waiting: queue.Queue[T | _End]) -> T | _End:
    # On Windows, Ctrl-C cannot interrupt a wait without a timeout.
    while not ending.asked():
        with contextlib.suppress(queue.Empty):
            return waiting.get(timeout=POLL_SECONDS)
    return _End()


def timed(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Set `captured`, the arrival time, and `decode_seconds` of each frame."""
    iterator = iter(frames)
    while True:
        began = time.perf_counter()
        try:
            frame = next(iterator)
        except StopIteration:
            return
        frame.captured = time.perf_counter()
        frame.decode_seconds = frame.captured - began
        yield frame


def check_infer_every(infer_every: int) -> None:
    """Raise `BadInput` if `infer_every` is below 1."""
    if infer_every < 1:
        raise BadInput(
            f"--infer-every {infer_every}: wanted 1 (every frame) or more (2: every second frame)"
        )


def segment(
    frames: Iterable[Frame],
    segmenter: Segmenter,
    infer_every: int = 1,
    at_once: Callable[[], bool] = lambda: False,
) -> Generator[Result, None, None]:
    """Label `frames` in order, with up to `segmenter.depth` of them in flight.

    While `at_once()` is true, each result is yielded as soon as it is ready. This leaves the engine
    idle until the next frame, but spares a camera's result from waiting for that frame.

    With `infer_every` N, the network labels the first and then every Nth frame; optical flow
    (`lanes.pipeline.flow`) moves its labels to the frames between.

    `Result.seconds` has "decode", and "resize" and "infer" for inferred frames, or "carry" for
    others. "infer" is the engine's own time, without the wait for the previous batch.
    With `segmenter.scored()`, `Result.scores` has the class probabilities of inferred frames.

    Raises:
        BadInput: `infer_every` is not at least 1.
    """
    check_infer_every(infer_every)  # here, as a generator would check at its first item only
    return _Labeller(segmenter).label(frames, infer_every, at_once)


@dataclass
class _Flight:
    """A frame in flight, with the network's input, or with the flow from its key frame."""

    frame: Frame
    seconds: dict[str, float]
    image: Image | None = None
    pending: Pending | None = None
    flow: Flow | None = None


class _Labeller:
    """The steps from a frame to its labels; flights finish in the order in which they start."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.carrier = Carrier(segmenter.card.resize.size)
        self.carried_size = segmenter.card.resize.size
        self.key_labels: LabelMap | None = None
        self.idle_since = 0.0

    def label(
        self, frames: Iterable[Frame], infer_every: int, at_once: Callable[[], bool]
    ) -> Generator[Result, None, None]:
        """The results of `frames`; see `segment`."""
        flying: deque[_Flight] = deque()
        depth = self.segmenter.depth
        try:
            for number, frame in enumerate(frames):
                inferred = number % infer_every == 0
                flight = self.prepare(frame, infer_every > 1) if inferred else self.follow(frame)
                landed = self.land(flying.popleft()) if len(flying) == depth else None
                # Submit the next image before yielding, so that the engine stays busy.
                self.start(flight)
                flying.append(flight)
                if landed is not None:
                    yield landed
                while flying and at_once():
                    yield self.land(flying.popleft())
            while flying:
                yield self.land(flying.popleft())
        finally:
            # The caller may stop early; free the engine for its next user.
            for flight in flying:
                self.drop(flight)

    def prepare(self, frame: Frame, as_key: bool) -> _Flight:
        """Make the network's input; `as_key` makes this the key frame of the flow."""
        began = time.perf_counter()
        image = resize_frame(frame, self.segmenter.card.resize)
        if as_key:
            self._carry_from(frame)
        seconds = {"decode": frame.decode_seconds, "resize": time.perf_counter() - began}
        return _Flight(frame, seconds, image=image)

    def _carry_from(self, frame: Frame) -> None:
        """Make this the key frame; its labels may have another size than the last."""
        size = self.segmenter.card.resize.labels_size(frame.size)
        if size != self.carried_size:
            self.carrier, self.carried_size = Carrier(size), size
        self.carrier.set_key(frame)

    def follow(self, frame: Frame) -> _Flight:
        """Find the flow from the key frame to this one."""
        began = time.perf_counter()
        flow = self.carrier.flow_to(frame)
        seconds = {"decode": frame.decode_seconds, "carry": time.perf_counter() - began}
        return _Flight(frame, seconds, flow=flow)

    def start(self, flight: _Flight) -> None:
        """Submit the network's input, if there is one."""
        if flight.image is not None:
            flight.pending = self.segmenter.submit_resized(flight.image)
            flight.image = None

    def drop(self, flight: _Flight) -> None:
        """Take the pending result from the engine, and discard it."""
        if flight.pending is not None:
            with contextlib.suppress(Exception):
                self.segmenter.result(flight.pending)

    def land(self, flight: _Flight) -> Result:
        """Wait for the frame's labels, or move the key frame's labels to it."""
        if flight.pending is not None:
            labels = self.key_labels = self.segmenter.result(flight.pending)
            finished = flight.pending.finished
            flight.seconds["infer"] = finished - max(flight.pending.submitted, self.idle_since)
            self.idle_since = finished
            scores = None if flight.pending.scores is None else flight.pending.scores[0]
            return Result(flight.frame, labels, flight.seconds, scores=scores)
        began = time.perf_counter()
        assert self.key_labels is not None, "the first frame is inferred"
        assert flight.flow is not None, "a frame that is not inferred has a flow"
        labels = moved(self.key_labels, flight.flow)
        flight.seconds["carry"] += time.perf_counter() - began
        return Result(flight.frame, labels, flight.seconds, inferred=False)


class Background(Generic[T]):
    """Passes items to `consume` in a separate thread, with at most `depth` items queued.

    An error of `consume` is raised by the next `put`, or at the end of the `with` block. An error
    in the block discards queued items; a signal does not, except those that would take too long.
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
            if self._error or self._drop.is_set() or ending.seconds_left() < TO_FINISH_SECONDS:
                continue
            try:
                self._consume(item)
            except BaseException as error:
                self._error = error

    def put(self, item: T) -> None:
        """Queue `item`; blocks while the queue is full; raises an earlier error of `consume`."""
        while ending.seconds_left() > TO_FINISH_SECONDS:
            if self._error:
                raise self._error
            try:
                self._waiting.put(item, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue

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
