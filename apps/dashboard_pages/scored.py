"""Scores uploaded images against their masks; results are kept in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from dashboard_pages.labelled import Picture, jpeg
from dashboard_pages.masks import labels_toml
from lanes import tasks
from lanes.draw.contact_sheet import triple
from lanes.errors import BadDataset
from lanes.metrics import evaluate as evaluation
from lanes.metrics.evaluate import Evaluation
from lanes.metrics.figures import Figure, Kind, by_measure, overall
from lanes.segmenter import Segmenter

WORST = 5
CELL = (240, 427)
"""Height and width of each picture of a worst image."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Worst:
    """One of the worst images: name, score, and a JPEG of image, ground truth and prediction."""

    name: str
    score: float
    picture: bytes


@dataclass(frozen=True)
class Scored:
    """The figures and the worst images."""

    found: Evaluation
    worst: tuple[Worst, ...]

    def rows(self) -> list[dict[str, Any]]:
        """A row per measure: its figures, and the bounds of its IoU's 95 % interval."""
        return [
            _row(name, kinds) for name, kinds in by_measure(self.found.figures.values()).items()
        ]

    def overall(self) -> dict[str, float]:
        """The figures over all classes, by display name."""
        return {f.kind.display: f.value for f in overall(self.found.figures.values())}

    def shares(self) -> list[dict[str, Any]]:
        """The confusion matrix as rows: each cell's share of the true class's pixels."""
        confusion = self.found.confusion
        return [
            {"truth": row, "predicted": column, "share": float(share)}
            for row, shares in zip(confusion.rows, confusion.shares, strict=True)
            for column, share in zip(confusion.columns, shares, strict=True)
            if share == share
        ]


def _row(measure: str, figures: Mapping[Kind, Figure]) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": measure}
    for kind, figure in figures.items():
        row[kind.display] = figure.value
        if kind is Kind.IOU:
            row |= {"95 % from": figure.low, "95 % to": figure.high}
    return row


def score(
    images: Sequence[Picture],
    masks: Sequence[Picture],
    segmenter: Segmenter,
    progress: Progress,
    meanings: Mapping[str, str],
) -> Scored:
    """Label `images` and compare them with the `masks` of the same names.

    `meanings` are the classes of the masks' values; see `dashboard_pages.masks`.

    Raises:
        BadDataset: an image has no mask, or an unusable one.
    """
    pairs = matched(images, masks)
    task = tasks.load(segmenter.task.name)
    with tempfile.TemporaryDirectory(prefix="lanes-evaluate-") as temporary:
        root = Path(temporary)
        names = dict(_written(pairs, root, labels_toml(task.name, task.class_names, meanings)))
        try:
            return _scored(root, [image.name for image, _ in pairs], segmenter, progress)
        except BadDataset as error:
            sentence = str(error)
            for path, name in names.items():
                sentence = sentence.replace(path, name)
            raise BadDataset(sentence) from error


def matched(images: Sequence[Picture], masks: Sequence[Picture]) -> list[tuple[Picture, Picture]]:
    """Pair images and masks by name without suffix; raises `BadDataset`."""
    by_stem = {PurePath(mask.name).stem: mask for mask in masks}
    for image in images:
        if PurePath(image.name).stem not in by_stem:
            raise BadDataset(
                f"{image.name} has no mask: add {PurePath(image.name).stem}.png to the masks, or "
                "remove the image"
            )
    return [(image, by_stem[PurePath(image.name).stem]) for image in images]


def _written(
    pairs: Sequence[tuple[Picture, Picture]], root: Path, labels: str
) -> Iterator[tuple[str, str]]:
    """Write the layout of `lanes.datasets.image_folder`; yield (path, user's name) pairs."""
    (root / "labels.toml").write_text(labels, "utf-8")
    for kind in ("images", "labels"):
        (root / "val" / kind).mkdir(parents=True)
    for number, pair in enumerate(pairs):
        for kind, sent in zip(("images", "labels"), pair, strict=True):
            # Readers detect the format from the content, so any suffix works.
            path = root / "val" / kind / f"{number:06d}.png"
            path.write_bytes(sent.content)
            yield str(path), sent.name


def _scored(root: Path, names: Sequence[str], segmenter: Segmenter, progress: Progress) -> Scored:
    dataset = evaluation.open_dataset("image_folder", str(root), "val")

    def counted(indices: range) -> Iterable[int]:
        for index in indices:
            progress(index, len(indices))
            yield index

    found = evaluation.evaluate(segmenter, dataset, "uploaded images", "", counted)
    worst = tuple(
        Worst(
            names[index],
            found.image_scores[index],
            jpeg(triple(dataset[index], dataset, segmenter.label, tasks.load(dataset.TASK), CELL)),
        )
        for index in found.ranking[:WORST]
    )
    return Scored(found, worst)
