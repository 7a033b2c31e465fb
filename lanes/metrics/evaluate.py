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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lanes import card as cards
from lanes import plugins
from lanes.draw.contact_sheet import worst_best
from lanes.errors import BadInput, BadOutput
from lanes.metrics import confusion_matrix
from lanes.metrics.confusion_picture import Confusion
from lanes.metrics.dataset_scores import (
    CLASS_ACCURACY,
    INSTANCES,
    MIOU,
    MIOU_WITHOUT_BACKGROUND,
    PIXEL_ACCURACY,
    Scores,
)
from lanes.segmenter import Segmenter
from lanes.types import Dataset
from lanes.video.output_files import TextFile, write_image

KINDS = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall", "f4": "F4"}
"""The figures of a measure and their display names."""
OVERALL = {
    MIOU: "mIoU",
    MIOU_WITHOUT_BACKGROUND: "mIoU without background",
    PIXEL_ACCURACY: "pixel accuracy",
    CLASS_ACCURACY: "class accuracy",
    f"{INSTANCES} ap50": "AP at IoU 0.5",
    f"{INSTANCES} ap75": "AP at IoU 0.75",
    f"{INSTANCES} ap90": "AP at IoU 0.9",
    f"{INSTANCES} f1": "F1 at IoU 0.5",
    f"{INSTANCES} pq": "panoptic quality",
    f"{INSTANCES} mape": "count error (MAPE)",
}
"""The figures that belong to no single measure, and their display names."""
CONFUSION, WORST_BEST = "confusion.png", "worst_best.png"
FEW = 3
"""The sheet names at most this many figures."""


@dataclass(frozen=True)
class Figure:
    """A figure with the ends of its interval; NaN with nothing to score."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """The model, the data, and the figures by name (`drivable iou`, `lane line f4`, ...).

    `classes` holds the figures of each single class, if the truth is plain. `image_scores` holds
    the mean of the figures `judged_by` for each image, NaN with nothing to score. `ranking` holds
    the indices of the scored images, worst first.
    """

    model: str
    backend: str
    device: str
    precision: str
    dataset: str
    split: str
    images: int
    figures: dict[str, Figure]
    classes: dict[str, dict[str, float]]
    confusion: Confusion
    judged_by: tuple[str, ...]
    image_scores: tuple[float, ...]
    ranking: tuple[int, ...]

    def to_json(self) -> str:
        """The evaluation as JSON; NaN becomes null."""
        values = {
            **vars(self),
            "figures": {name: vars(figure) for name, figure in self.figures.items()},
            "confusion": self.confusion.to_dict(),
        }
        return json.dumps(_without_nan(values), indent=2)

    def write(self, path: Path) -> None:
        """Write the JSON file atomically; raises `BadOutput`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadOutput(f"cannot write {path}: {error.strerror}") from error
        with TextFile(path, overwrite=True) as file:
            file.write_text(self.to_json() + "\n")

    def note_in_card(self, folder: Path) -> None:
        """Add the figures to the card of the model in `folder`."""
        card = cards.read(folder)
        figures = {
            f"{self.dataset} {self.split}: {name}": round(figure.value, 4)
            for name, figure in self.figures.items()
            if math.isfinite(figure.value)
        }
        replace(card, metrics={**card.metrics, **figures}).write(folder)

    @property
    def title(self) -> str:
        """The model and the data, as a title."""
        return f"{self.model} on {self.dataset} {self.split}, {self.images} images"

    def table(self) -> Table:
        """The figures as a table: a row per measure, with the figures over all classes below."""
        notes = [
            f"{title} {_with_interval(self.figures[name])}"
            for name, title in OVERALL.items()
            if name in self.figures
        ]
        of_measures = [name.rpartition(" ") for name in self.figures if name not in OVERALL]
        found = {kind for _, _, kind in of_measures}
        kinds = [kind for kind in KINDS if kind in found]
        if "f4" in found:
            notes.append("precision and recall of lines: within 4 px")
        notes.append(f"{self.backend} {self.precision} on {self.device}; [95 % interval by image]")
        table = Table(title=self.title, caption="\n".join(notes))
        table.add_column("measure", overflow="fold")
        for kind in kinds:
            table.add_column(KINDS[kind], justify="right", no_wrap=True)
        measures = dict.fromkeys(name for name, _, _ in of_measures)
        for name in measures:
            texts = (_with_interval(self.figures.get(f"{name} {kind}")) for kind in kinds)
            # The interval goes below its figure, so that all columns fit in 80 characters.
            table.add_row(name, *(text.replace(" ", "\n", 1) for text in texts))
        table.add_section()
        for name, values in self.classes.items():
            judged = self.figures.get(f"{name} iou")
            # A measure already shows this class.
            if judged and np.array_equal(judged.value, values["iou"], equal_nan=True):
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
) -> Evaluation:
    """Label every image of `dataset`, which is the `split` of `name`, and score the labels.

    `progress` may wrap the indices to show progress.

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
        sample = dataset[index]
        scores.add(sample, segmenter.label(sample.image))
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
        classes=_by_class(scores, scores.task.class_names),
        confusion=_confusion(scores, scores.task.class_names),
        judged_by=scores.judged_by,
        image_scores=tuple(scores.of_images()),
        ranking=tuple(scores.ranking()),
    )


def draw(found: Evaluation, segmenter: Segmenter, dataset: Dataset, folder: Path) -> None:
    """Write confusion.png and worst_best.png into `folder`; labels the shown images again.

    Raises:
        BadOutput: `folder` cannot be created or written.
    """
    make_folder(folder)
    title = f"{found.title}. An image's figure is {_mean_of(found.judged_by)}."
    write_image(folder / CONFUSION, found.confusion.picture(f"{found.title}: confusion of pixels"))
    # The truth may have a class that is newer than the model.
    task = segmenter.task
    task = Scores(dataset).task if task.later else task
    captions = [f"image {index}: {score:.3f}" for index, score in enumerate(found.image_scores)]
    sheet = worst_best(found.ranking, captions, dataset, segmenter.label, task, title)
    write_image(folder / WORST_BEST, sheet)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents; raises `BadOutput`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"cannot create {folder} ({error.strerror}): name another") from error


def _mean_of(names: tuple[str, ...]) -> str:
    """The mean of `names` in words: `its drivable IoU`, `the mean of its 11 IoU figures`."""
    parts = [name.rpartition(" ") for name in names]
    if len(parts) <= FEW:
        listed = " and ".join(f"{name} {KINDS[kind]}" for name, _, kind in parts)
    else:
        counts = Counter(KINDS[kind] for _, _, kind in parts)
        listed = " and ".join(f"{count} {kind}" for kind, count in counts.items()) + " figures"
    return f"the mean of its {listed}" if len(parts) > 1 else f"its {listed}"


def _by_class(scores: Scores, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    if not scores.plain:
        return {}
    matrix = scores.class_matrix()
    kinds = {
        "iou": confusion_matrix.iou(matrix),
        "dice": confusion_matrix.dice(matrix),
        "precision": confusion_matrix.precision(matrix),
        "recall": confusion_matrix.recall(matrix),
    }
    return {
        name: {kind: float(values[k]) for kind, values in kinds.items()}
        for k, name in enumerate(names)
    }


def _confusion(scores: Scores, names: tuple[str, ...]) -> Confusion:
    if scores.plain:
        return Confusion.named(np.eye(len(names), dtype=bool), scores.class_matrix(), names)
    return Confusion.named(scores.dataset.TARGETS, scores.matrix, names)


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
