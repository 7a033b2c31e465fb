"""Stages that overlap: iterators that compose, each with a bounded queue between two threads.

An error of any stage reaches the caller as it was raised; leaving a loop early ends the threads.

What a stage does to one frame is a function of its own, to be timed alone as it runs here:
`resize_frame` makes the network's input, `Segmenter.submit_resized` and `result` infer,
`draw.overlay.draw_labels` and `draw.hud.draw` draw, `VideoSink.write` encodes.
`lanes.system.threads` says how many threads each may have.
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
"""How soon a thread that waits for room or work sees that it should end."""
TO_FINISH_SECONDS = 1.7
"""The time that is left for finishing the files, once a signal asked the process to end."""


class _End:
    """The last item of a queue: the source is empty, or raised `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetched(Iterator[T]):
    """The items of `prefetch`; `close` ends its thread."""

    def __init__(self, items: Iterable[T], depth: int, newest: bool) -> None:
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
        if self._began:
            self._thread.join()

    def __del__(self) -> None:
        self._stop.set()


def prefetch(items: Iterable[T], depth: int = 4, newest: bool = False) -> Prefetched[T]:
    """Iterate over `items` in a thread of its own, up to `depth` ahead; close it at the end.

    With `newest` (cameras) a full queue drops its oldest item instead of making the source wait.
    An error that `items` raises is raised here, after the items before it. Once a signal asks the
    process to end there are no more items, even if the source is silent.
    """
    return Prefetched(items, depth, newest)


def _read(
    items: Iterable[T], waiting: queue.Queue[T | _End], stop: threading.Event, newest: bool
) -> None:
    """Put the items, and then an end, into the queue until `stop`."""

    def put(item: T | _End) -> None:
        drop = newest and not isinstance(item, _End)
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
    # A wait without a timeout could not be interrupted by Ctrl-C on Windows.
    while not ending.asked():
        with contextlib.suppress(queue.Empty):
            return waiting.get(timeout=POLL_SECONDS)
    return _End()


def timed(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Note on each frame when it came, and how long the source took to make it.

    That is `Frame.captured` and `Frame.decode_seconds`.
    """
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
    """Raise `BadInput` unless every so many-th frame can be inferred."""
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
    """Label `frames` in order, while up to `segmenter.depth` of them are in the engine.

    While `at_once()` is true a result is given as soon as it is there: the engine then rests until
    the next frame comes, but a camera's result need not wait for that.

    With `infer_every` N the network labels every Nth frame, the first among them; its labels are
    carried to the others by optical flow (`lanes.pipeline.flow`).

    `Result.seconds` holds "decode", then "resize" and "infer", or "carry" for frames whose labels
    were carried. "infer" is the engine's own time, the wait behind the batch before it left out.

    Raises:
        BadInput: `infer_every` is not at least 1.
    """
    check_infer_every(infer_every)  # at the call: a generator would check at its first item
    return _Labeller(segmenter).label(frames, infer_every, at_once)


@dataclass
class _Flight:
    """A frame between `prepare` and `land`: with the network's input, or the flow from its key."""

    frame: Frame
    seconds: dict[str, float]
    image: Image | None = None
    pending: Pending | None = None
    flow: Flow | None = None


class _Labeller:
    """The steps from a frame to its labels; flights land in the order in which they started."""

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
                # The engine gets its next image before the caller works on the result.
                self.start(flight)
                flying.append(flight)
                if landed is not None:
                    yield landed
                while flying and at_once():
                    yield self.land(flying.popleft())
            while flying:
                yield self.land(flying.popleft())
        finally:
            # Left early: free the engine for what its owner labels next.
            for flight in flying:
                self.drop(flight)

    def prepare(self, frame: Frame, as_key: bool) -> _Flight:
        """Make the network's input; `as_key`, later frames follow this one."""
        began = time.perf_counter()
        image = resize_frame(frame, self.segmenter.card.resize)
        if as_key:
            self._carry_from(frame)
        seconds = {"decode": frame.decode_seconds, "resize": time.perf_counter() - began}
        return _Flight(frame, seconds, image=image)

    def _carry_from(self, frame: Frame) -> None:
        """Let later frames follow this one: its labels are the frame's size if made of tiles."""
        if self.segmenter.card.resize.in_tiles and frame.size != self.carried_size:
            self.carrier, self.carried_size = Carrier(frame.size), frame.size
        self.carrier.set_key(frame)

    def follow(self, frame: Frame) -> _Flight:
        """Find the flow from the key frame to this one."""
        began = time.perf_counter()
        flow = self.carrier.flow_to(frame)
        seconds = {"decode": frame.decode_seconds, "carry": time.perf_counter() - began}
        return _Flight(frame, seconds, flow=flow)

    def start(self, flight: _Flight) -> None:
        """Hand the network's input to the engine, if there is one."""
        if flight.image is not None:
            flight.pending = self.segmenter.submit_resized(flight.image)
            flight.image = None

    def drop(self, flight: _Flight) -> None:
        """Take what the engine owes for the frame, and forget it."""
        if flight.pending is not None:
            with contextlib.suppress(Exception):
                self.segmenter.result(flight.pending)

    def land(self, flight: _Flight) -> Result:
        """Wait for the frame's labels, or carry its key's to it."""
        if flight.pending is not None:
            labels = self.key_labels = self.segmenter.result(flight.pending)
            finished = flight.pending.finished
            flight.seconds["infer"] = finished - max(flight.pending.submitted, self.idle_since)
            self.idle_since = finished
            return Result(flight.frame, labels, flight.seconds)
        began = time.perf_counter()
        assert self.key_labels is not None, "the first frame is inferred"
        assert flight.flow is not None, "what is not inferred follows"
        labels = moved(self.key_labels, flight.flow)
        flight.seconds["carry"] += time.perf_counter() - began
        return Result(flight.frame, labels, flight.seconds, inferred=False)


class Background(Generic[T]):
    """Hands items to `consume` in a thread of its own, at most `depth` waiting.

    Its error is raised by the next `put`, or at the end of the `with` block. The block's own error
    ends it at once; Ctrl-C lets it finish what was put, so that the output stays whole, but what
    would take too long after a signal is left out.
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
        """Queue `item`; waits while the queue is full; raises what `consume` raised."""
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
