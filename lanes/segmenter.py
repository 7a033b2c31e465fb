"""Combines a card and a backend: image in, labels out."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import TracebackType

import numpy as np

from lanes import assets, backends, tasks
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import BadInput, BadModel
from lanes.images.resize import resize_image, resize_labels
from lanes.types import Backend, Image, LabelMap, Pending, Task


class Segmenter:
    """Labels images of any size; a context manager that frees its backend.

    `submit` and `result` split the work, so that the next image can be prepared while the engine
    runs, with up to `depth` images in flight; `result` returns labels at the network's size
    (`card.resize.size`), or at the image's own if the network takes tiles.
    """

    def __init__(self, card: ModelCard, backend: Backend) -> None:
        """Combine a card with the backend that runs its network.

        Raises:
            BadModel: the card's classes differ from the task's.
        """
        self.card = card
        self.task = _task_of(card)
        self.backend = backend
        self._shared: Segmenter | None = None
        self._sharing = threading.Lock()

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
        with self._sharing:
            if self._shared is None:
                self._shared = Segmenter(self.card, backends.SharedBackend(self.backend))
            return self._shared

    def close(self) -> None:
        """Free the backend."""
        self.backend.close()

    def __enter__(self) -> Segmenter:
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
    return replace(task, classes=task.classes[:known], later=len(task.classes) - known)


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
    """Load a bundled model or a model folder, ready to label images.

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
    return Segmenter(card, backends.load(backend, folder, precision, device, threads, hint))
