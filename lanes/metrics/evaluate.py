"""Score an exported model, in the backend that will run it, on a data set's split.

The measures follow the project's data description and share the code of training
(`dataset_scores`): labels as the user gets them, at the image's own size, against the truth.

- IoU, Dice, precision and recall of an area: pixels at the truth's own size, pooled over the split.
- IoU and Dice of lines: also at the truth's own size (1280x720 for TuSimple and road_marks).
- Precision, recall and F4 of lines: at 640x360 with a tolerance of 4 px; maps of other sizes are
  area-averaged and thresholded at 0.3.
- "teacher" is the agreement with a teacher's lines, where a data set has one: no ground truth.
- mIoU, pixel accuracy and class accuracy (the mean recall of the classes): where the truth has one
  class per pixel. Each class then also gets its own row if measures combine classes (paint is
  drivable). mIoU without background: where no measure covers class 0.
- AP, F1, panoptic quality and count error of instances: `lanes.metrics.instances`, where truth has
  instances; counts pooled over the split.

Each figure has a 95 % bootstrap interval, with images drawn with replacement.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lanes import card as cards
from lanes import plugins
from lanes.draw.contact_sheet import worst_best
from lanes.errors import BadInput
from lanes.metrics import confusion_matrix
from lanes.metrics.confusion_picture import Confusion
from lanes.metrics.dataset_scores import Scores
from lanes.metrics.figures import NAN, OF_MEASURES, Figure, Kind, by_measure, overall
from lanes.segmenter import Segmenter
from lanes.system.atomic import atomic_file, make_folder
from lanes.types import IGNORE, Dataset, LabelMap, Sample, Task
from lanes.video.output_files import write_image

CONFUSION, WORST_BEST = "confusion.png", "worst_best.png"
FEW = 3
"""The sheet names at most this many figures."""


@dataclass(frozen=True)
class Evaluation:
    """The model, the data, and the figures by `Figure.name` (`drivable iou`, ...).

    `classes` holds the figures of each single class, if the truth is plain. `image_scores` holds
    the mean of the figures `judged_by` (names) for each image, NaN with nothing to score. `ranking`
    holds the indices of the scored images, worst first.
    """

    model: str
    backend: str
    device: str
    precision: str
    dataset: str
    split: str
    images: int
    figures: dict[str, Figure]
    classes: dict[str, dict[Kind, float]]
    confusion: Confusion
    judged_by: tuple[str, ...]
    image_scores: tuple[float, ...]
    ranking: tuple[int, ...]

    def to_json(self) -> str:
        """The evaluation as JSON; NaN becomes null."""
        values = {
            **vars(self),
            "figures": {
                name: {"value": figure.value, "low": figure.low, "high": figure.high}
                for name, figure in self.figures.items()
            },
            "confusion": self.confusion.to_dict(),
        }
        return json.dumps(_without_nan(values), indent=2)

    def write(self, path: Path) -> None:
        """Write the JSON file atomically; raises `BadOutput`."""
        make_folder(path.parent)
        with atomic_file(path) as part:
            part.write_text(self.to_json() + "\n", "utf-8")

    def note_in_card(self, folder: Path) -> None:
        """Add the figures to the card of the model in `folder`."""
        card = cards.read(folder)
        data = f"{self.dataset} {self.split}"
        figures = {
            replace(figure, dataset=data).card_key: round(figure.value, 4)
            for figure in self.figures.values()
            if math.isfinite(figure.value)
        }
        replace(card, metrics={**card.metrics, **figures}).write(folder)

    @property
    def title(self) -> str:
        """The model and the data, as a title."""
        return f"{self.model} on {self.dataset} {self.split}, {self.images} images"

    def table(self) -> Table:
        """The figures as a table: a row per measure, with the figures over all classes below."""
        figures = self.figures.values()
        notes = [f"{figure.kind.display} {_with_interval(figure)}" for figure in overall(figures)]
        measures = by_measure(figures)
        found = {figure.kind for figure in figures}
        kinds = [kind for kind in OF_MEASURES if kind in found]
        if Kind.F4 in found:
            notes.append("precision and recall of lines: within 4 px")
        notes.append(f"{self.backend} {self.precision} on {self.device}; [95 % interval by image]")
        table = Table(title=self.title, caption="\n".join(notes))
        table.add_column("measure", overflow="fold")
        for kind in kinds:
            table.add_column(kind.display, justify="right", no_wrap=True)
        for name, by_kind in measures.items():
            texts = (_with_interval(by_kind.get(kind)) for kind in kinds)
            # The interval goes below its figure, so that all columns fit in 80 characters.
            table.add_row(name, *(text.replace(" ", "\n", 1) for text in texts))
        table.add_section()
        for name, values in self.classes.items():
            judged = measures.get(name, {}).get(Kind.IOU)
            # A measure already shows this class.
            if judged and np.array_equal(judged.value, values[Kind.IOU], equal_nan=True):
                continue
            alone = (_number(values[kind]) if kind in values else "" for kind in kinds)
            table.add_row(f"class {name}", *alone)
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
    change: Callable[[LabelMap], LabelMap] = lambda labels: labels,
) -> Evaluation:
    """Label every image of `dataset`, which is the `split` of `name`, and score the labels.

    Truth of classes that are newer than the model is unknown. `progress` may wrap the indices to
    show progress. `change` is applied to the labels first.

    Raises:
        BadInput: the data set and the model have different tasks.
    """
    card = segmenter.card
    if card.task != dataset.TASK:
        raise BadInput(
            f"the model {card.name} has the task {card.task!r}, but the data set {name} has "
            f"{dataset.TASK!r}: choose a data set of the model's task"
        )
    scores = Scores(dataset)
    for index in progress(range(len(dataset))):
        sample = _sayable(dataset[index], dataset, segmenter.task)
        scores.add(sample, change(segmenter.label(sample.image)))
    names = segmenter.task.class_names
    return Evaluation(
        model=card.name,
        backend=segmenter.backend.name,
        device=segmenter.backend.device,
        precision=segmenter.backend.precision,
        dataset=name,
        split=split,
        images=len(dataset),
        figures={figure.name: figure for figure in scores.figures_with_intervals()},
        classes=_by_class(scores, names),
        confusion=_confusion(scores, names),
        judged_by=tuple(Figure(*which, NAN).name for which in scores.judged_by),
        image_scores=tuple(scores.of_images()),
        ranking=tuple(scores.ranking()),
    )


def _sayable(sample: Sample, dataset: Dataset, task: Task) -> Sample:
    """The sample with unknown truth for classes that are newer than the model."""
    if not task.later:
        return sample
    newer = ~dataset.TARGETS[:, : len(task.classes)].any(axis=1)
    targets = np.where(np.isin(sample.targets, np.flatnonzero(newer)), IGNORE, sample.targets)
    return replace(sample, targets=targets.astype(np.uint8))


def draw(found: Evaluation, segmenter: Segmenter, dataset: Dataset, folder: Path) -> None:
    """Write confusion.png and worst_best.png into `folder`; labels the shown images again.

    Raises:
        BadOutput: `folder` cannot be created or written.
    """
    make_folder(folder)
    judging = [found.figures[name] for name in found.judged_by]
    title = f"{found.title}. An image's figure is {_mean_of(judging)}."
    write_image(folder / CONFUSION, found.confusion.picture(f"{found.title}: confusion of pixels"))
    # The truth may have a class that is newer than the model.
    task = segmenter.task
    task = Scores(dataset).task if task.later else task
    captions = [f"image {index}: {score:.3f}" for index, score in enumerate(found.image_scores)]
    sheet = worst_best(found.ranking, captions, dataset, segmenter.label, task, title)
    write_image(folder / WORST_BEST, sheet)


def _mean_of(figures: Sequence[Figure]) -> str:
    """The mean of `figures` in words: `its drivable IoU`, `the mean of its 11 IoU figures`."""
    if len(figures) <= FEW:
        listed = " and ".join(figure.title for figure in figures)
    else:
        counts = Counter(figure.kind.display for figure in figures)
        listed = " and ".join(f"{count} {kind}" for kind, count in counts.items()) + " figures"
    return f"the mean of its {listed}" if len(figures) > 1 else f"its {listed}"


def _by_class(scores: Scores, names: tuple[str, ...]) -> dict[str, dict[Kind, float]]:
    if not scores.plain:
        return {}
    matrix = scores.class_matrix()
    kinds = {
        Kind.IOU: confusion_matrix.iou(matrix),
        Kind.DICE: confusion_matrix.dice(matrix),
        Kind.PRECISION: confusion_matrix.precision(matrix),
        Kind.RECALL: confusion_matrix.recall(matrix),
    }
    return {
        name: {kind: float(values[k]) for kind, values in kinds.items()}
        for k, name in enumerate(names)
    }


def _confusion(scores: Scores, names: tuple[str, ...]) -> Confusion:
    known = len(names)
    if scores.plain:
        matrix = scores.class_matrix()[:known, :known]
        return Confusion.named(np.eye(known, dtype=bool), matrix, names)
    targets = scores.dataset.TARGETS[:, :known]
    scored = targets.any(axis=1)
    return Confusion.named(targets[scored], scores.matrix[scored, :known], names)


def _without_nan(value: Any) -> Any:
    """Plain values with None for NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_interval(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if math.isnan(figure.value):
        return "nothing to score"
    ends = (f"{end:.2f}".removeprefix("0") for end in (figure.low, figure.high))
    low, high = ("1" if end == "1.00" else end for end in ends)
    return rf"{_number(figure.value)} \[{low}-{high}]"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
