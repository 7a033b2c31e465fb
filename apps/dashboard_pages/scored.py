"""Images and masks that were sent by a browser, scored: figures and the worst images in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from dashboard_pages.labelled import Picture, jpeg
from lanes import tasks
from lanes.draw.contact_sheet import triple
from lanes.errors import BadDataset
from lanes.metrics import evaluate as evaluation
from lanes.metrics.evaluate import Evaluation
from lanes.segmenter import Segmenter

WORST = 5
CELL = (240, 427)
"""Height and width of a picture among the worst."""
KINDS = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall", "f4": "F4"}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Worst:
    """One of the worst images: its name, its score, and image, truth, prediction as a JPEG file."""

    name: str
    score: float
    picture: bytes


@dataclass(frozen=True)
class Scored:
    """What came of it."""

    found: Evaluation
    worst: tuple[Worst, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each measure: its figures, and the ends of the 95 % interval of its IoU."""
        by_measure: dict[str, dict[str, Any]] = {}
        for name, figure in self.found.figures.items():
            measure, _, kind = name.rpartition(" ")
            if kind not in KINDS or name in evaluation.OVERALL:
                continue
            row = by_measure.setdefault(measure, {"measure": measure})
            row[KINDS[kind]] = figure.value
            if kind == "iou":
                row |= {"IoU from": figure.low, "IoU to": figure.high}
        return list(by_measure.values())

    def overall(self) -> dict[str, float]:
        """The figures over all classes, as they are written."""
        figures = self.found.figures
        return {t: figures[n].value for n, t in evaluation.OVERALL.items() if n in figures}

    def shares(self) -> list[dict[str, Any]]:
        """The confusion matrix: for each pair of classes the share of the truth's pixels."""
        confusion = self.found.confusion
        return [
            {"truth": row, "predicted": column, "share": float(share)}
            for row, shares in zip(confusion.rows, confusion.shares, strict=True)
            for column, share in zip(confusion.columns, shares, strict=True)
            if share == share
        ]


def score(
    images: Sequence[Picture], masks: Sequence[Picture], segmenter: Segmenter, tell: Progress
) -> Scored:
    """Label `images` and compare with `masks` of the same names, whose values are label ids.

    Raises:
        BadDataset: an image has no mask, or one that cannot be used.
    """
    pairs = matched(images, masks)
    with tempfile.TemporaryDirectory(prefix="lanes-evaluate-") as temporary:
        root = Path(temporary)
        names = dict(_written(pairs, root, segmenter.task.name))
        try:
            return _scored(root, [image.name for image, _ in pairs], segmenter, tell)
        except BadDataset as error:
            sentence = str(error)
            for path, name in names.items():
                sentence = sentence.replace(path, name)
            raise BadDataset(sentence) from error


def matched(images: Sequence[Picture], masks: Sequence[Picture]) -> list[tuple[Picture, Picture]]:
    """Each image with the mask of its name, whatever the suffixes; raises `BadDataset`."""
    by_stem = {PurePath(mask.name).stem: mask for mask in masks}
    for image in images:
        if PurePath(image.name).stem not in by_stem:
            raise BadDataset(
                f"{image.name} has no mask: add {PurePath(image.name).stem}.png to the masks, or "
                "leave the image out"
            )
    return [(image, by_stem[PurePath(image.name).stem]) for image in images]


def _written(
    pairs: Sequence[tuple[Picture, Picture]], root: Path, task: str
) -> Iterator[tuple[str, str]]:
    """Lay the files out as `lanes.datasets.image_folder` wants them; gives each path's name."""
    (root / "labels.toml").write_text(f'task = "{task}"\n')
    for kind in ("images", "labels"):
        (root / "val" / kind).mkdir(parents=True)
    for number, pair in enumerate(pairs):
        for kind, sent in zip(("images", "labels"), pair, strict=True):
            # What a file holds is told by its content, not by its name.
            path = root / "val" / kind / f"{number:06d}.png"
            path.write_bytes(sent.content)
            yield str(path), sent.name


def _scored(root: Path, names: Sequence[str], segmenter: Segmenter, tell: Progress) -> Scored:
    dataset = evaluation.open_dataset("image_folder", str(root), "val")

    def progress(indices: range) -> Iterable[int]:
        for index in indices:
            tell(index, len(indices))
            yield index

    found = evaluation.evaluate(segmenter, dataset, "sent images", "", progress)
    worst = tuple(
        Worst(
            names[index],
            found.image_scores[index],
            jpeg(triple(dataset[index], dataset, segmenter.label, tasks.load(dataset.TASK), CELL)),
        )
        for index in found.ranking[:WORST]
    )
    return Scored(found, worst)
