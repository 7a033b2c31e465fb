"""The meaning of mask values, as a table of target ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes import plugins
from lanes.datasets import _legends, _rules
from lanes.datasets._rules import Classes, Rules
from lanes.errors import BadDataset
from lanes.types import BACKGROUND, IGNORE, Measure

MANY = 12
"""An error lists at most this many colours."""
Figure: TypeAlias = tuple[Classes, bool]
"""The classes that a figure covers, and whether they are thin lines."""

JOINED: Mapping[str, Mapping[str, tuple[tuple[str, ...], bool]]] = {
    # Lines lie on the road and count as drivable, as in the other data sets of lanes. "line" is
    # dropped for masks without implied lines, where it would repeat "lane line".
    "lanes": {
        "drivable": (("drivable", "lane line", "implied line"), False),
        "lane line": (("lane line",), True),
        "line": (("lane line", "implied line"), True),
    }
}
"""By task: figures of several classes or of thin lines; others: one per class but background."""


@dataclass(frozen=True)
class LabelTable:
    """How mask values become target ids.

    `rows` maps a mask value (an id 0..255, or a colour 0xRRGGBB) to a row of `targets` (K, C).
    `by_default` means that the ids are the task's because nothing says otherwise.
    """

    task: str
    coloured: bool
    rows: Mapping[int, int]
    targets: NDArray[np.bool_]
    measures: Mapping[str, Measure]
    by_default: bool = False

    def describe(self, value: int) -> str:
        """A mask value in words."""
        return f"the colour #{value:06x}" if self.coloured else f"the label {value}"

    def convert(self, labels: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """Target ids (H, W) of a mask as stored; raises `BadDataset` for a value not in `rows`."""
        if self.coloured != (labels.ndim == 3):
            raise self._wrong_kind(labels, path)
        values = _codes(labels) if self.coloured else labels
        targets = np.full(labels.shape[:2], IGNORE, np.uint8)
        for value, row in self.rows.items():
            targets[values == value] = row
        stray = targets == IGNORE
        if stray.any():
            raise self._stray(values, stray, path)
        return targets

    def _wrong_kind(self, labels: NDArray[np.uint8], path: Path) -> BadDataset:
        if self.coloured:
            return BadDataset(
                f"{path} holds one channel of ids, wanted colours: set [ids] in {_rules.FILE}, or "
                "convert the mask"
            )
        found = np.unique(_codes(labels))
        lines = [f'"#{value:06x}" = "{_rules.UNKNOWN}"' for value in found[:MANY].tolist()]
        return BadDataset(
            f"{path} holds {len(found)} colours, wanted one channel of ids: write into "
            f"{_rules.FILE} what they mean:\n[colours]\n" + "\n".join(lines)
        )

    def _stray(self, values: NDArray[Any], stray: NDArray[np.bool_], path: Path) -> BadDataset:
        worst, count = _most_frequent(values[stray])
        known = ", ".join(self.describe(v).split()[-1] for v in sorted(self.rows))
        return BadDataset(
            f"{path} holds {self.describe(worst)} in {count} pixels ({stray.sum()} pixels have "
            f"unknown values in all); known are {known}: correct the mask, or {self._cure(values)}"
        )

    def _cure(self, values: NDArray[Any]) -> str:
        """What to write where a mask with `values` is right."""
        if not self.by_default:
            return f"map its values in {_rules.FILE}"
        names = plugins.task(self.task).class_names
        meant = {**dict(enumerate(names)), IGNORE: _rules.UNKNOWN}
        lines = [f'{v} = "{meant.get(v, names[1])}"' for v in np.unique(values)[:MANY].tolist()]
        return (
            f"write into {_rules.FILE} what its values mean ({', '.join(names)} or "
            f"{_rules.UNKNOWN}), or into {_rules.CLASSES} classes of your own:\n[ids]\n"
            + "\n".join(lines)
        )


def read(root: Path, judges: bool) -> LabelTable:
    """The table of the masks in `root`.

    From `ROOT/labels.toml`, else from a legend of the labelling tool (`_legends`), else the ids of
    the task, 255 = unknown. Set `judges` for a split that is scored: values that are ambiguous for
    a figure (such as ["background", "drivable"]) then become unknown, and no figure counts them.

    Raises:
        BadDataset: labels.toml or the legend is wrong, or a class has no meaning in the task.
    """
    rules = _rules.read(root)
    if rules.section in ("ids", "colours"):
        return table(rules, rules.meanings, rules.section == "colours", judges)
    legend = _legends.find(root)
    if legend is None:
        return replace(table(rules, rules.by_default(), False, judges), by_default=True)
    meanings = rules.of_names(legend.names.values(), str(legend.path))
    return table(rules, dict(zip(legend.names, meanings, strict=True)), legend.coloured, judges)


def of_binary(root: Path, judges: bool) -> LabelTable:
    """The table of masks that hold only 0 and 255, for a task of two classes.

    Raises:
        BadDataset: the task has more classes, so nothing says which one 255 is.
    """
    rules = _rules.read(root)
    names = rules.classes
    if len(names) == 2:
        return table(rules, {0: frozenset({0}), IGNORE: frozenset({1})}, False, judges)
    others = ", ".join(f'"{name}"' for name in names[2:])
    raise BadDataset(
        f"the masks in {root} hold only 0 and 255, so nothing says which class 255 is. Write it "
        f'into {root / _rules.FILE}:\n[ids]\n0 = "{names[0]}"\n255 = "{names[1]}"  # or {others}'
    )


def of_names(root: Path, names: Sequence[str], judges: bool) -> LabelTable:
    """The table for labels with names: id 1 + k is `names[k]`, id 0 what no label covers.

    `[names]` of labels.toml says what the names mean; its key "background" is id 0.

    Raises:
        BadDataset: a name has no meaning in the task, or there are too many.
    """
    rules = _rules.read(root)
    if rules.section in ("ids", "colours"):
        raise BadDataset(
            f"{root / _rules.FILE} has [{rules.section}], but the labels of {root} have names: "
            "write [names] instead"
        )
    if len(names) >= IGNORE:
        raise BadDataset(f"{root} has {len(names)} classes; wanted at most {IGNORE - 1}")
    meanings = rules.of_names([_rules.BACKGROUND, *names], str(root))
    return table(rules, dict(enumerate(meanings)), False, judges)


def table(
    rules: Rules, meanings: Mapping[int, Classes], coloured: bool, judges: bool
) -> LabelTable:
    """The table for mask values with these `meanings`; rows 0..C-1 are the single classes."""
    task, names, full = rules.task, rules.classes, rules.full
    figures = _known(_figures(task, names), meanings.values())
    if judges:
        own = {name: _own(name, classes, names) for name, (classes, _) in figures.items()}
        meanings = {
            value: full if any(_open(m, own[n], f[0]) for n, f in figures.items()) else m
            for value, m in meanings.items()
        }
    plain = [frozenset({i}) for i in range(len(names))]
    sets = list(dict.fromkeys([*plain, *meanings.values()]))
    targets = np.array([[i in row for i in range(len(names))] for row in sets])
    measures = {
        name: Measure(tuple(i for i, row in enumerate(sets) if row <= classes), ids, lines)
        for name, (classes, lines) in figures.items()
        if (ids := tuple(sorted(classes)))
    }
    return LabelTable(
        task, coloured, {v: sets.index(m) for v, m in meanings.items()}, targets, measures
    )


def _own(name: str, classes: Classes, names: tuple[str, ...]) -> Classes:
    """The class of the figure's own name if there is one, else all the classes it covers."""
    return frozenset({names.index(name)}) if name in names else classes


def _open(meaning: Classes, own: Classes, classes: Classes) -> bool:
    """Whether `meaning` allows a class of `own` and also a class outside `classes`."""
    return bool(own & meaning) and not meaning <= classes


def _known(figures: Mapping[str, Figure], meanings: Iterable[Classes]) -> dict[str, Figure]:
    """The figures that masks with these `meanings` support.

    Drops a figure of lines that counts the same meanings as an earlier one.
    """
    found: dict[str, Figure] = {}
    seen = []
    for name, (classes, lines) in figures.items():
        counted = {meaning for meaning in meanings if meaning <= classes}
        if counted and not (lines and counted in seen):
            found[name] = classes, lines
            seen += [counted] if lines else []
    return found


def _figures(task: str, names: tuple[str, ...]) -> dict[str, Figure]:
    lines = {c.name for c in plugins.task(task).classes if c.line}
    # Of one's own classes the first is the background, whatever its name.
    known = task in plugins.names("tasks")
    judged = [name for name in names if name != BACKGROUND] if known else names[1:]
    alone = {name: ((name,), name in lines) for name in judged}
    joined = JOINED.get(task) or alone
    return {
        name: (frozenset(names.index(c) for c in classes), lines)
        for name, (classes, lines) in joined.items()
    }


def _codes(labels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """BGR (H, W, 3) as 0xRRGGBB (H, W)."""
    padded = cv2.cvtColor(labels, cv2.COLOR_BGR2BGRA)
    padded[..., 3] = 0
    return np.asarray(padded.view("<i4")[..., 0], np.int32)


def _most_frequent(values: NDArray[Any]) -> tuple[int, int]:
    found, counts = np.unique(values, return_counts=True)
    best = int(counts.argmax())
    return int(found[best]), int(counts[best])
