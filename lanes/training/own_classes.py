"""Classes for labels whose names no task knows: `ROOT/classes.toml`, written from the names."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Sequence
from pathlib import Path

from lanes import plugins, tasks
from lanes.datasets._rules import BACKGROUND, CLASSES, DEFAULT_TASK, FILE, SPARE, UNKNOWN, plain
from lanes.errors import BadDataset
from lanes.system.atomic import atomic_file

TURN = 0.381966
"""Step on the colour circle (golden angle): neighbours in the list differ most."""


def write(root: Path, names: Sequence[str]) -> Path:
    """Write `ROOT/classes.toml` with a class for each of `names`, in their order.

    Names of the task lanes for thin lines become thin lines. Returns the file.

    Raises:
        BadDataset: labels.toml or classes.toml is there, which says what the names mean.
        BadOutput: the file cannot be written.
    """
    path = root / CLASSES
    if path.exists() or (root / FILE).exists():
        raise BadDataset(
            f"{root} has {CLASSES} or {FILE}, but the labels have other names: {names}"
        )
    own = [name for name in dict.fromkeys(names) if _is_class(name)]
    lines = [f'{json.dumps(BACKGROUND)} = "#000000"']
    lines += [f"{_quoted(name)} = {json.dumps(_style(name, k))}" for k, name in enumerate(own)]
    with atomic_file(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    plugins.own_classes(path)
    return path


def _is_class(name: str) -> bool:
    key = plain(name)
    return SPARE.get(key, key) not in (UNKNOWN, BACKGROUND)


def _style(name: str, place: int) -> str:
    known = {plain(c.name): c for c in tasks.load(DEFAULT_TASK).classes}
    channels = colorsys.hsv_to_rgb((0.3 + place * TURN) % 1, 0.75, 0.95)
    colour = "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
    return f"{colour} line" if plain(name) in known and "line" in plain(name).split() else colour


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
