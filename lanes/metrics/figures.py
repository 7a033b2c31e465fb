"""The figures of an evaluation: what each one is of, its kind, its value, its names in files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

NAN = float("nan")
INSTANCES = "instances"
"""The measure of the figures of predicted against true instances."""
CHOOSE = "choose"
"""The split used to choose checkpoints; its figures do not judge a model."""
FEW = 4
"""A data set with more classes than this is summarised by its mean IoU."""


class Kind(StrEnum):
    """What a figure measures: the value is the word in files, `display` the word for people."""

    display: str

    IOU = "iou", "IoU"
    DICE = "dice", "Dice"
    PRECISION = "precision", "precision"
    RECALL = "recall", "recall"
    F4 = "f4", "F4"
    MIOU = "miou", "mIoU"
    MIOU_WITHOUT_BACKGROUND = "miou without background", "mIoU without background"
    PIXEL_ACCURACY = "pixel accuracy", "pixel accuracy"
    CLASS_ACCURACY = "class accuracy", "class accuracy"
    AP50 = "ap50", "AP at IoU 0.5"
    AP75 = "ap75", "AP at IoU 0.75"
    AP90 = "ap90", "AP at IoU 0.9"
    F1 = "f1", "F1 at IoU 0.5"
    PANOPTIC_QUALITY = "pq", "panoptic quality"
    COUNT_ERROR = "mape", "count error (MAPE)"

    def __new__(cls, word: str, display: str = "") -> Kind:
        """A kind with its two words."""
        kind = str.__new__(cls, word)
        kind._value_, kind.display = word, display
        return kind


OF_MEASURES = (Kind.IOU, Kind.DICE, Kind.PRECISION, Kind.RECALL, Kind.F4)
"""The kinds of a single measure or class; all others are over all classes or instances."""
CHOOSING = (Kind.IOU, Kind.F4, Kind.AP50)
"""The kinds whose mean chooses a checkpoint."""
NAME = re.compile(rf"(?:(?P<measure>.+) )?(?P<kind>{'|'.join(Kind)})")


@dataclass(frozen=True)
class Figure:
    """A value with the ends of its 95 % interval: 0..1 (count error: 0..inf), or NaN.

    NaN means nothing to score, or no interval. `measure` is a measure of the data set, `INSTANCES`,
    or "" over all classes. `dataset` is needed where figures of several data sets are together.
    """

    measure: str
    kind: Kind
    value: float
    low: float = NAN
    high: float = NAN
    dataset: str = ""

    @property
    def name(self) -> str:
        """The name in an evaluation's JSON: `drivable iou`, `miou`."""
        return _words(self.measure, self.kind)

    @property
    def full_name(self) -> str:
        """The name in a training log: `bdd100k drivable iou`."""
        return _words(self.dataset, self.name)

    @property
    def card_key(self) -> str:
        """The key in a model's card: `bdd100k val: drivable iou`."""
        return f"{self.dataset}: {self.name}"

    @property
    def title(self) -> str:
        """The name for people: `drivable IoU`."""
        return _words(self.measure, self.kind.display)


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def named(name: str, value: float, dataset: str = "") -> Figure | None:
    """The figure of a `Figure.name`; None if it is no figure, such as the loss in a log."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    return Figure(found["measure"] or "", Kind(found["kind"]), value, dataset=dataset)


def of_log(names: Iterable[str]) -> list[Figure]:
    """The figures that a training log names (`Figure.full_name`), without values."""
    pairs = (name.partition(" ") for name in names)
    return [f for dataset, _, name in pairs if (f := named(name, NAN, dataset)) is not None]


def of_card(metrics: Mapping[str, float]) -> list[Figure]:
    """The figures of a card that judge the model: those of `CHOOSE` splits are left out."""
    pairs = ((*key.partition(": ")[::2], value) for key, value in metrics.items())
    return [
        figure
        for dataset, name, value in pairs
        if dataset.split()[-1:] != [CHOOSE] and (figure := named(name, value, dataset)) is not None
    ]


def by_measure(figures: Iterable[Figure]) -> dict[str, dict[Kind, Figure]]:
    """The figures of single measures, by measure and kind."""
    found: dict[str, dict[Kind, Figure]] = {}
    for figure in figures:
        if figure.kind in OF_MEASURES:
            found.setdefault(figure.measure, {})[figure.kind] = figure
    return found


def overall(figures: Iterable[Figure]) -> list[Figure]:
    """The figures that belong to no single measure, in the order of `Kind`."""
    kinds = list(Kind)
    rest = (figure for figure in figures if figure.kind not in OF_MEASURES)
    return sorted(rest, key=lambda figure: kinds.index(figure.kind))


def choice(figures: Iterable[Figure]) -> float:
    """The one number that selects the best checkpoint: the mean of all IoU, F4 and AP at 0.5, 0..1.

    All figures of all data sets weigh the same. NaN figures, where neither truth nor prediction has
    a pixel, are skipped. So is mIoU, because the IoU of each class already counts. Returns -inf
    without any figure, so that any checkpoint with figures wins.
    """
    judged = [f.value for f in figures if f.kind in CHOOSING and np.isfinite(f.value)]
    return float(np.mean(judged)) if judged else float("-inf")


def headlines(figures: Iterable[Figure]) -> list[Figure]:
    """The main figures: IoU, F4 and AP at 0.5.

    A data set with more than `FEW` classes is represented by its mean IoU.
    """
    figures = list(figures)
    areas = Counter(figure.dataset for figure in figures if figure.kind is Kind.IOU)

    def is_headline(figure: Figure) -> bool:
        if figure.kind is Kind.IOU:
            return areas[figure.dataset] <= FEW
        if figure.kind is Kind.MIOU:
            return areas[figure.dataset] > FEW
        return figure.kind in CHOOSING

    return [figure for figure in figures if is_headline(figure)]
