"""Compares a model's labels between backends and scores them against truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from lanes import assets, backends
from lanes import card as cards
from lanes.benchmark.plan import Configuration, Data, Plan
from lanes.benchmark.turns import Input
from lanes.card import ModelCard
from lanes.datasets import _samples as drawn
from lanes.errors import LanesError, UnknownName
from lanes.images.resize import network_input
from lanes.metrics.dataset_scores import score, share_equal
from lanes.metrics.figures import Figure, headlines
from lanes.segmenter import Segmenter
from lanes.system.fresh_process import FreshProcess
from lanes.types import Image, LabelBatch, LabelMap, Pending

REFERENCES = (("torch", "fp32"), ("onnxruntime", "fp32"))
"""Reference for parity: the first that runs the model. The checkpoint, else its export."""
FRAMES = drawn.FRAMES
"""Number of images that every configuration labels and is timed on."""
OTHER_METHODS = ("classical",)
"""Backends without a network: their labels may differ from the model's."""
DRAWN = "drawn pictures"
"""Source of synthetic images, which need no files."""


@dataclass(frozen=True)
class Check:
    """How good a configuration's labels are; all figures are 0..1.

    `parity` is the share of pixels with the same label as `reference`, on images from `frames`
    (None without a reference); `accuracy` has the headline figures.
    """

    frames: str
    reference: str
    parity: float | None
    accuracy: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Images from the data set `source`, or `DRAWN`, at the network's size."""

    source: str
    images: tuple[Image, ...]


class ModelRunner:
    """A loaded model; see `lanes.benchmark.turns.Runner`."""

    def __init__(self, one: Configuration, hint: str = backends.LATENCY) -> None:
        folder = assets.model_folder(one.model)
        backend = backends.load(one.backend, folder, one.precision, one.device, one.threads, hint)
        self.segmenter = Segmenter(cards.read(folder), backend)
        self.name, self.precision, self.depth = backend.name, backend.precision, backend.depth

    def submit(self, image: Input) -> Pending:
        """Start labelling an image of the network's size."""
        return self.segmenter.submit_resized(image)

    def result(self, pending: Pending) -> LabelMap:
        """Wait for the labels."""
        return self.segmenter.result(pending)

    def labels(self, images: Sequence[Image]) -> LabelBatch:
        """The labels (N, h, w) of images of the network's size."""
        return np.stack([self.result(self.submit(image)) for image in images])

    def accuracy(self, data: Data) -> tuple[Figure, ...]:
        """The headline figures of a data set."""
        found = score(data.open(), self.segmenter.label).figures(data.name)
        return tuple(figure for figure in headlines(found) if np.isfinite(figure.value))


def pictures_of(card: ModelCard, data: Sequence[Data]) -> Pictures:
    """Images for the model: from the first data set in `data`, else synthetic ones."""
    source, images = DRAWN, drawn.frames(card.task)
    if data:
        source, dataset = data[0].name, data[0].open()
        # Spread over the split: neighbouring files are often from the same drive.
        chosen = np.linspace(0, len(dataset) - 1, min(FRAMES, len(dataset))).round().astype(int)
        images = [dataset[int(index)].image for index in chosen]
    return Pictures(source, tuple(network_input(image, card.resize) for image in images))


def check_all(
    plan: Plan,
    pictures: Mapping[str, Pictures],
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[Configuration, Check], dict[Configuration, str], dict[Configuration, str]]:
    """Label and score with each configuration of a model, one process after the other.

    Returns the checks, the reasons of those that failed, and of those that do not apply. `pictures`
    maps models to images. This also fills the engines' cache, so that the timed load is not the
    first one.
    """
    labels: dict[Configuration, LabelBatch] = {}
    accuracies: dict[Configuration, tuple[Figure, ...]] = {}
    failed: dict[Configuration, str] = {}
    left_out: dict[Configuration, str] = {}
    ours = [one for one in plan.configurations if one.model in pictures]
    for number, one in enumerate(ours):
        try:
            with FreshProcess(ModelRunner, one) as process:
                found = process.call("labels", pictures[one.model].images)
                scores = (process.call("accuracy", data) for data in plan.data[one.model])
                accuracy = tuple(chain.from_iterable(scores))
        except UnknownName as error:  # a method that does not support the model's task
            left_out[one] = str(error)
        except LanesError as error:
            failed[one] = str(error)
        else:
            labels[one] = found
            accuracies[one] = accuracy
        progress(number + 1)
    checks = {}
    references: dict[str, tuple[str, LabelBatch | None]] = {}
    for one, found in labels.items():
        if one.model not in references:
            references[one.model] = _reference(one, pictures[one.model], labels)
        reference, wanted = references[one.model]
        comparable = None if one.backend in OTHER_METHODS else wanted
        parity = None if comparable is None else share_equal(found, comparable)
        checks[one] = Check(pictures[one.model].source, reference, parity, accuracies[one])
    return checks, failed, left_out


def _reference(
    one: Configuration, pictures: Pictures, labels: Mapping[Configuration, LabelBatch]
) -> tuple[str, LabelBatch | None]:
    """The name and labels of the first of `REFERENCES` that runs the model."""
    for backend, precision in REFERENCES:
        wanted = replace(one, backend=backend, precision=precision, device=None)
        name = f"{backend} {precision}"
        if wanted in labels:
            return name, labels[wanted]
        try:
            with FreshProcess(ModelRunner, wanted, noise=False) as process:
                return name, process.call("labels", pictures.images)
        except LanesError:
            continue
    return "", None
