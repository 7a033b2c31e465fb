"""Score an exported model, in the backend that will run it, on a data set's split.

The measures are those of the project's data description, and the same code as in training
(`lanes.scores`): labels as the user gets them, at the image's own size, against the truth.

- IoU, precision and recall of an area: pixels at the truth's own size, pooled over the split.
- IoU of lines: likewise at the truth's own size (1280x720 for TuSimple and road_marks).
- Precision, recall and F4 of lines: at 640x360 with a tolerance of 4 px; a map of another size is
  area-averaged to it and cut at 0.3.
- "teacher" is the agreement with a teacher's lines, where a data set has one: no ground truth.

Beside each figure stands its 95 % bootstrap interval, images drawn with replacement.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from lanes import card as cards
from lanes import plugins
from lanes.errors import BadInput, BadOutput
from lanes.scores import Scores
from lanes.segmenter import Segmenter
from lanes.types import Dataset

KINDS = {"iou": "IoU", "precision": "precision", "recall": "recall", "f4": "F4"}
"""The figures of a measure, and how they are written."""


@dataclass(frozen=True)
class Figure:
    """One figure 0..1 with the ends of its interval; NaN where there was nothing to judge."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What was scored on what, and the figures by name (`drivable iou`, `lane line f4`, ...)."""

    model: str
    backend: str
    device: str
    precision: str
    dataset: str
    split: str
    images: int
    figures: dict[str, Figure]

    def to_json(self) -> str:
        """The evaluation as JSON; a figure without anything to judge is null."""
        figures = {
            name: {k: v if math.isfinite(v) else None for k, v in vars(figure).items()}
            for name, figure in self.figures.items()
        }
        return json.dumps({**vars(self), "figures": figures}, indent=2)

    def write(self, path: Path) -> None:
        """Write the JSON file; raises `BadOutput`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise BadOutput(f"cannot write {path}: {error.strerror}") from error

    def note_in_card(self, folder: Path) -> None:
        """Write the figures into the card of the model in `folder`, beside those of other sets."""
        card = cards.read(folder)
        figures = {
            f"{self.dataset} {self.split}: {name}": round(figure.value, 4)
            for name, figure in self.figures.items()
            if math.isfinite(figure.value)
        }
        replace(card, metrics={**card.metrics, **figures}).write(folder)

    def table(self) -> Table:
        """The figures as a table, a row for each class that is judged."""
        table = Table(
            title=f"{self.model} on {self.dataset} {self.split}, {self.images} images",
            caption=f"{self.backend} {self.precision} on {self.device}; [95 % interval by image]",
        )
        table.add_column("measure")
        for title in KINDS.values():
            table.add_column(title, justify="right")
        for name in dict.fromkeys(key.rpartition(" ")[0] for key in self.figures):
            table.add_row(name, *(_told(self.figures.get(f"{name} {kind}")) for kind in KINDS))
        return table


def open_dataset(name: str, root: str, split: str) -> Dataset:
    """Open `split` of the data set `name` in `root`; raises `UnknownName` or `BadDataset`."""
    dataset: Dataset = plugins.load("datasets", name).open(root, split)
    return dataset


def evaluate(
    segmenter: Segmenter,
    dataset: Dataset,
    name: str,
    split: str,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Evaluation:
    """Label every image of `dataset`, which is the `split` of `name`, and score the labels.

    `progress` may wrap the indices to show how far it is.

    Raises:
        BadInput: the data set is of another task than the model.
    """
    card = segmenter.card
    if card.task != dataset.TASK:
        raise BadInput(
            f"the model {card.name} is of the task {card.task!r}, the data set {name} of "
            f"{dataset.TASK!r}: they have no classes in common"
        )
    scores = Scores(dataset)
    for index in progress(range(len(dataset))):
        sample = dataset[index]
        scores.add(sample, segmenter(sample.image))
    intervals = scores.intervals()
    return Evaluation(
        model=card.name,
        backend=segmenter.backend.name,
        device=segmenter.backend.device,
        precision=segmenter.backend.precision,
        dataset=name,
        split=split,
        images=len(dataset),
        figures={k: Figure(v, *intervals[k]) for k, v in scores.figures().items()},
    )


def _told(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if math.isnan(figure.value):
        return "nothing to judge"
    return rf"{figure.value:.3f} \[{figure.low:.2f}-{figure.high:.2f}]"
