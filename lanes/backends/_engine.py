"""Shared by all backends: checks of the network and its input, batches in flight, errors."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lanes import card as cards
from lanes.errors import BackendError, BadInput, BadModel, LanesError, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch, LabelBatch, Pending

INT8 = "int8"
TensorKind = tuple[str, Sequence[Any]]
"""Type and shape of a network's input or output, as the engine reports them: "uint8", [1, H, W]."""


class Engine(ABC):
    """`lanes.types.Backend` without `_start` and `_wait`, which each engine implements."""

    name: str
    library: str
    """The Python package whose errors become `BackendError`."""
    depth = 2
    any_size = False

    def __init__(self, device: str, precision: str, shape: Sequence[int]) -> None:
        """Record what runs; `shape` is the input's, (1, H, W, 3)."""
        self.device = device
        self.precision = precision
        self.shape = tuple(shape)
        self.in_flight = 0
        self.closed = False
        self.lock = threading.Lock()

    @abstractmethod
    def _start(self, images: ImageBatch, pending: Pending) -> Any:
        """Start labelling `images`; return what `_wait` needs, and set `pending.finished` later."""

    @abstractmethod
    def _wait(self, request: Any) -> LabelBatch:
        """Wait for the labels of a request."""

    def submit(self, images: ImageBatch) -> Pending:
        """Start labelling `images`, which must not change until the result is taken.

        Raises:
            BadInput: not uint8 of the network's input shape.
            BackendError: `depth` batches are in flight, or the backend is closed.
        """
        free = self.any_size and images.ndim == len(self.shape)
        check_images(images, (1, *images.shape[1:3], 3) if free else self.shape)
        if self.closed:
            raise BackendError(f"the backend {self.name} is closed: load it again")
        pending = Pending(None, time.perf_counter())
        with self.lock, running(self.name, self.library):
            if self.in_flight >= self.depth:
                raise BackendError(
                    f"{self.in_flight} batches are in flight: take a result first; several "
                    "threads need segmenter.shared()"
                )
            pending.request = self._start(images, pending)
            self.in_flight += 1
        return pending

    def result(self, pending: Pending) -> LabelBatch:
        """Wait for a batch; call once per batch. Raises `BackendError` if the engine failed."""
        if pending.request is None:
            raise BackendError("this result was taken already")
        request, pending.request = pending.request, None
        try:
            with running(self.name, self.library):
                return self._wait(request)
        finally:
            # Only now is the engine's request free: another thread may submit meanwhile.
            with self.lock:
                self.in_flight -= 1

    def __call__(self, images: ImageBatch) -> LabelBatch:
        """Label `images` and wait."""
        return self.result(self.submit(images))

    def close(self) -> None:
        """Accept no more batches; results in flight can still be taken."""
        self.closed = True


class ThreadedEngine(Engine):
    """An engine whose calls block: its own thread runs them, so that `submit` returns at once."""

    def __init__(self, device: str, precision: str, shape: Sequence[int]) -> None:
        """See `Engine`."""
        super().__init__(device, precision, shape)
        self.worker = ThreadPoolExecutor(1, thread_name_prefix=self.name)

    def _begin(self, images: ImageBatch) -> Any:
        """Prepare the argument of `_run`, before `submit` returns."""
        return images

    @abstractmethod
    def _run(self, begun: Any) -> Sequence[NDArray[Any]]:
        """Label the batch, in the engine's thread.

        Returns the labels and, if loaded with them, the scores (1, C, ...), float16.
        """

    def _start(self, images: ImageBatch, pending: Pending) -> Future[LabelBatch]:
        return self.worker.submit(self._timed, self._begin(images), pending)

    def _timed(self, begun: Any, pending: Pending) -> LabelBatch:
        labels, *scores = self._run(begun)
        if scores:
            pending.scores = scores[0].reshape(1, -1, *labels.shape[1:])
        pending.finished = time.perf_counter()
        return labels

    def _wait(self, request: Future[LabelBatch]) -> LabelBatch:
        return request.result()

    def close(self) -> None:
        """Finish the batches in flight, then end the thread."""
        super().close()
        self.worker.shutdown()


def _is_of(library: str, error: Exception) -> bool:
    # Engines define exceptions in C++; some have no common base but Exception.
    ours = isinstance(error, LanesError)
    return not ours and (
        isinstance(error, RuntimeError) or type(error).__module__.startswith(library)
    )


@contextmanager
def running(name: str, library: str) -> Iterator[None]:
    """Turn the engine's errors into `BackendError`."""
    try:
        yield
    except Exception as error:
        if _is_of(library, error):
            raise BackendError(f"{name} failed: {error}") from error
        raise


@contextmanager
def reading(path: Path, library: str) -> Iterator[None]:
    """Turn the engine's errors while it reads `path` into `BadModel`."""
    try:
        yield
    except Exception as error:
        if _is_of(library, error):
            reason = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
            raise BadModel(f"{library} cannot read {path} ({reason[-1]}): {cards.CURE}") from error
        raise


@contextmanager
def without(module: str) -> Iterator[None]:
    """Hide the optional `module` from imports in the `with` block."""
    absent = module not in sys.modules
    if absent:
        sys.modules[module] = None  # type: ignore[assignment]  # documented: "not found"
    try:
        yield
    finally:
        if absent:
            del sys.modules[module]


def onnx_path(folder: Path) -> Path:
    """The `model.onnx` of a model folder; raises `BadModel` if it is missing."""
    path = folder / cards.ONNX
    if not path.is_file():
        raise BadModel(f"no {cards.ONNX} in {folder}: {cards.CURE}")
    return path


def network_path(folder: Path, precision: str) -> Path:
    """The network file in a model folder for `precision`; int8 has its own.

    Raises:
        BadModel: the file is missing.
    """
    path = folder / cards.INT8_ONNX
    if precision != INT8:
        return onnx_path(folder)
    if not path.is_file():
        raise BadModel(f"no {path.name} in {folder}: run lanes quantize, or do not use int8")
    return path


def with_int8(precisions: tuple[str, ...], folder: Path | None) -> tuple[str, ...]:
    """`precisions`, and int8 if `folder` holds a quantised network."""
    quantised = folder is not None and (folder / cards.INT8_ONNX).is_file()
    return (*precisions, INT8) if quantised else precisions


def check_network(
    path: Path, inputs: list[TensorKind], outputs: list[TensorKind], scores: bool = False
) -> None:
    """Raise `BadModel` unless a network matches its card.

    It must take one uint8 image batch (1, H, W, 3) of the card's size and return one uint8 label
    batch (1, H, W); with `scores`, the last output has a channel for each class.
    """
    card = cards.read(path.parent)
    if scores:
        _check_scores(path, outputs[-1], len(card.classes))
        outputs = outputs[:-1]
    height, width = card.resize.size
    wanted = f"uint8 (1, {height}, {width}, 3) in, uint8 (1, {height}, {width}) out"
    got = f"{_shown(inputs)} in, {_shown(outputs)} out"
    if got != wanted:
        raise BadModel(f"{path} has {got}; wanted {wanted}: {cards.CURE}")


def _check_scores(path: Path, kind: TensorKind, classes: int) -> None:
    name, shape = kind
    if name != "float16" or shape[1] != classes:
        raise BadModel(
            f"{path} scores {_shown([kind])}; wanted float16 (1, {classes}, ...), a channel for "
            f"each class of its card: {cards.CURE}"
        )


def _shown(kinds: list[TensorKind]) -> str:
    each = (f"{kind} ({', '.join(str(n) for n in shape)})" for kind, shape in kinds)
    return " and ".join(each) or "nothing"


def check_precision(backend: str, precision: str, known: Sequence[str]) -> None:
    """Raise `UnknownName` unless `precision` is "auto" or one of `known`."""
    if precision not in ("auto", *known):
        where = f"backend {backend} on this machine"
        raise UnknownName(unknown(where, precision, ["auto", *known]))


def check_images(images: ImageBatch, wanted: tuple[int, ...]) -> None:
    """Raise `BadInput` unless `images` are uint8 of the shape `wanted`."""
    if images.shape != wanted or images.dtype.name != "uint8":
        got = f"{images.dtype} {images.shape}"
        raise BadInput(f"got images {got}; wanted uint8 {wanted}: resize them first")
