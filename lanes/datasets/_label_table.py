"""The meaning of mask values: from `labels.toml`, or else the task's own ids."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes import plugins
from lanes.errors import BadDataset, LanesError
from lanes.types import IGNORE, Measure

FILE = "labels.toml"
UNKNOWN = "unknown"
DEFAULT_TASK = "lanes"
Classes: TypeAlias = frozenset[int]
"""The class ids that a pixel may be."""
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
"""By task: figures of several classes or of thin lines; other tasks: one per class except 0."""


@dataclass(frozen=True)
class LabelTable:
    """How mask values become target ids.

    `rows` maps a mask value (an id 0..255, or a colour 0xRRGGBB) to a row of `targets` (K, C).
    """

    task: str
    coloured: bool
    rows: Mapping[int, int]
    targets: NDArray[np.bool_]
    measures: Mapping[str, Measure]

    def describe(self, value: int) -> str:
        """A mask value in words."""
        return f"the colour #{value:06x}" if self.coloured else f"the label {value}"

    def convert(self, labels: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """Target ids (H, W) of a mask as stored; raises `BadDataset` for a value not in `rows`."""
        if self.coloured != (labels.ndim == 3):
            got, wanted = ("one channel of ids", "colours")[:: 1 if self.coloured else -1]
            raise BadDataset(
                f"{path} holds {got}, wanted {wanted}: set [ids] or [colours] in {FILE}, or "
                "convert the mask (palette PNGs and three-channel grey count as colours)"
            )
        values = _codes(labels) if self.coloured else labels
        targets = np.full(labels.shape[:2], IGNORE, np.uint8)
        for value, row in self.rows.items():
            targets[values == value] = row
        stray = targets == IGNORE
        if stray.any():
            worst, count = _most_frequent(values[stray])
            known = ", ".join(self.describe(v).split()[-1] for v in sorted(self.rows))
            raise BadDataset(
                f"{path} holds {self.describe(worst)} in {count} pixels ({int(stray.sum())} "
                f"pixels have unknown values in all); known are {known}: map it in {FILE}, or "
                "correct the mask"
            )
        return targets


def read(root: Path, judges: bool) -> LabelTable:
    """The table of `ROOT/labels.toml`; without that file: ids of the task lanes, 255 = unknown.

    Set `judges` for a split that is scored: values that are ambiguous for a figure (such as
    ["background", "drivable"]) then become unknown, and no figure counts them.

    Raises:
        BadDataset: the file is not TOML, has a wrong key, or names a class that the task lacks.
    """
    path = root / FILE
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadDataset(f"{path} is not TOML: {error}") from error
    for key in values:
        if key not in ("task", "ids", "colours"):
            raise BadDataset(plugins.unknown(str(path), key, ["task", "ids", "colours"]))
    if "ids" in values and "colours" in values:
        raise BadDataset(f"{path} has both [ids] and [colours]: keep the one that your masks use")
    task = values.get("task", DEFAULT_TASK)
    names = _class_names(path, task)
    meanings = {i: frozenset({i}) for i in range(len(names))} | {IGNORE: _full(names)}
    for section in ("ids", "colours"):
        if section in values:
            meanings = _meanings(path, section, values[section], names)
    return table(task, names, meanings, "colours" in values, judges)


def table(
    task: str, names: tuple[str, ...], meanings: Mapping[int, Classes], coloured: bool, judges: bool
) -> LabelTable:
    """The table for mask values with these `meanings`; rows 0..C-1 are the single classes."""
    full = _full(names)
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


def _full(names: tuple[str, ...]) -> Classes:
    return frozenset(range(len(names)))


def _figures(task: str, names: tuple[str, ...]) -> dict[str, Figure]:
    joined = JOINED.get(task) or {name: ((name,), False) for name in names[1:]}
    return {
        name: (frozenset(names.index(c) for c in classes), lines)
        for name, (classes, lines) in joined.items()
    }


def _class_names(path: Path, task: Any) -> tuple[str, ...]:
    try:
        # Loaded by name, because data sets and tasks do not import each other.
        names: tuple[str, ...] = plugins.load("tasks", str(task)).TASK.class_names
    except LanesError as error:
        raise BadDataset(f"{path}: task = {task!r}: {error}") from error
    return names


def _meanings(
    path: Path, section: str, entries: Any, names: tuple[str, ...]
) -> dict[int, frozenset[int]]:
    if not isinstance(entries, dict) or not entries:
        raise BadDataset(f"{path}: [{section}] is empty; wanted lines such as {_EXAMPLES[section]}")
    found: dict[int, frozenset[int]] = {}
    for key, meaning in entries.items():
        value = _id(key) if section == "ids" else _colour(key)
        if value is None:
            raise BadDataset(
                f"{path}: {key!r} in [{section}]; wanted lines such as {_EXAMPLES[section]}"
            )
        found[value] = _classes(path, key, meaning, names)
    return found


_EXAMPLES = {"ids": '128 = "drivable"', "colours": '"#ff0000" = "lane line"'}


def _classes(path: Path, key: str, meaning: Any, names: tuple[str, ...]) -> Classes:
    if meaning == UNKNOWN:
        return _full(names)
    listed = meaning if isinstance(meaning, list) else [meaning]
    if not listed:
        raise BadDataset(f'{path}: {key} = []; wanted a class, a list of classes or "{UNKNOWN}"')
    for name in listed:
        if name not in names:
            known = [*names, UNKNOWN]
            raise BadDataset(plugins.unknown(f"{path}: {key}: the task", str(name), known))
    return frozenset(names.index(name) for name in listed)


def _id(key: str) -> int | None:
    return int(key) if key.isdecimal() and int(key) <= 255 else None


def _colour(key: str) -> int | None:
    return int(key[1:], 16) if re.fullmatch("#[0-9a-fA-F]{6}", key) else None


def _codes(labels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """BGR (H, W, 3) as 0xRRGGBB (H, W)."""
    padded = cv2.cvtColor(labels, cv2.COLOR_BGR2BGRA)
    padded[..., 3] = 0
    return np.asarray(padded.view("<i4")[..., 0], np.int32)


def _most_frequent(values: NDArray[Any]) -> tuple[int, int]:
    found, counts = np.unique(values, return_counts=True)
    best = int(counts.argmax())
    return int(found[best]), int(counts[best])
