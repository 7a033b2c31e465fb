"""Combines a card and a backend: image in, labels out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from lanes import assets, backends, tasks
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import BackendError, BadInput, BadModel
from lanes.images.resize import resize_image, resize_labels, resize_scores
from lanes.types import Backend, Image, LabelMap, Pending, ScoreMap, Task


class Segmenter:
    """Labels images of any size; a context manager that frees its backend.

    `submit` and `result` split the work, so that the next image can be prepared while the engine
    runs, with up to `depth` images in flight; `result` returns labels at the network's size
    (`card.resize.size`), or at the image's own if the network takes tiles.
    """

    def __init__(
        self, card: ModelCard, backend: Backend, load_scored: Callable[[], Backend] | None = None
    ) -> None:
        """Combine a card with the backend that runs its network.

        `load_scored` loads the backend again, with class probabilities.

        Raises:
            BadModel: the card's classes differ from the task's.
        """
        self.card = card
        self.task = _task_of(card)
        self.backend = backend
        self.load_scored = load_scored
        self._shared: Segmenter | None = None
        self._scored: Segmenter | None = None
        self._lock = threading.Lock()

    @property
    def depth(self) -> int:
        """How many images may be in flight."""
        return self.backend.depth

    def label(self, image: Image) -> LabelMap:
        """Labels (H, W) of `image` (H, W, 3) BGR, at the image's own size.

        Raises:
            BadInput: not an image.
        """
        labels = self.result(self.submit(image))
        return resize_labels(labels, (image.shape[0], image.shape[1]))

    def scores(self, image: Image) -> ScoreMap:
        """Class probabilities (C, H, W) of `image` (H, W, 3) BGR, resized linearly to its size.

        Raises:
            BadInput: not an image.
            BadModel, BackendError: the network or the backend has none; see `scored`.
        """
        scored = self.scored()
        pending = scored.submit(image)
        scored.result(pending)
        assert pending.scores is not None, "it was loaded with scores"
        return resize_scores(pending.scores[0], (image.shape[0], image.shape[1]))

    def submit(self, image: Image) -> Pending:
        """Resize `image` and start labelling it; it must not change until the result is taken."""
        _check(image)
        return self.submit_resized(resize_image(image, self.card.resize))

    def submit_resized(self, image: Image) -> Pending:
        """Start labelling an image of the network's size, or any size if it takes tiles."""
        return self.backend.submit(np.ascontiguousarray(image)[None])

    def result(self, pending: Pending) -> LabelMap:
        """Wait for the labels (h, w) of a submitted image."""
        labels: LabelMap = self.backend.result(pending)[0]
        return labels

    def shared(self) -> Segmenter:
        """A segmenter that several threads can use at once; they share one engine.

        Returns the same object every time; after that, do not label with `self`.
        """
        with self._lock:
            if self._shared is None:
                load = self.load_scored
                again = None if load is None else lambda: backends.SharedBackend(load())
                self._shared = Segmenter(self.card, backends.SharedBackend(self.backend), again)
            return self._shared

    def scored(self) -> Segmenter:
        """The same model with class probabilities: its results fill in `Pending.scores`.

        The first call loads a second engine, so that labels alone cost no more than before. Returns
        the same object every time; `close` frees both.

        Raises:
            BadModel: the network gives labels that are not the ArgMax of logits.
            BackendError: the backend has no class probabilities.
        """
        with self._lock:
            if self._scored is None:
                if self.load_scored is None:
                    raise BackendError(
                        f"this segmenter cannot load {self.card.name} again with class "
                        "probabilities: make it with lanes.load"
                    )
                self._scored = Segmenter(self.card, self.load_scored())
            return self._scored

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()
        for one in (self._shared, self._scored):
            if one is not None:
                one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _task_of(card: ModelCard) -> Task:
    """The card's task, limited to the classes that its network knows.

    A task may append classes; older models know only the first ones.
    """
    task = tasks.load(card.task)
    known = len(card.classes)
    if card.classes != task.class_names[:known]:
        raise BadModel(
            f"the card of {card.name} has the classes {card.classes}, task {card.task!r} has "
            f"{task.class_names}: export the model again"
        )
    if known == len(task.classes):
        return task
    return replace(
        task,
        classes=task.classes[:known],
        surface=tuple(label for label in task.surface if label < known),
        things=None if task.things is None else task.things.among(known),
        later=len(task.classes) - known,
    )


def _check(image: object) -> None:
    if image is None:
        raise BadInput("got no image but None: cv2.imread returns it for unreadable files")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise BadInput(f"got {got}; wanted an image as a uint8 array (H, W, 3) in BGR")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise BadInput(f"got an image of shape {image.shape}; wanted (H, W, 3) in BGR")


def load(
    model: str = assets.DEFAULT_MODEL,
    backend: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    hint: str = backends.LATENCY,
) -> Segmenter:
    """Load an included model or a model folder, ready to label images.

    See `backends.load` for the other arguments. `hint` is "latency" for cameras, where the newest
    image counts, or "throughput" for files, where all images count.

    Example:
        >>> with lanes.load() as segmenter:            # doctest: +SKIP
        ...     labels = segmenter(cv2.imread("road.jpg"))

    Raises:
        UnknownName: no model, backend, precision or device of that name.
        BadModel: the model folder is broken.
        MissingDependency: the backend's library is not installed.
    """
    folder = assets.model_folder(model)
    card = cards.read(folder)
    tasks.load(card.task)
    loaded = backends.load(backend, folder, precision, device, threads, hint)

    def load_scored() -> Backend:
        same = loaded.name, folder, loaded.precision, device, threads, hint
        return backends.load(*same, scores=True)

    return Segmenter(card, loaded, load_scored)
