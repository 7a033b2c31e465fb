"""What the ids, colours or names of the user's labels mean: `ROOT/labels.toml`.

`ROOT/classes.toml` defines a task of one's own: a class and its colour in each line, the background
first, such as `"rail" = "#ff0000 line"` (see `plugins.own_classes`). Else the task is lanes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from lanes import plugins
from lanes.datasets import _files
from lanes.errors import BadDataset, BadInput, LanesError, UnknownClasses
from lanes.types import IGNORE

FILE, CLASSES = "labels.toml", "classes.toml"
UNKNOWN, BACKGROUND = "unknown", "background"
DEFAULT_TASK = "lanes"
SECTIONS = {
    "ids": '128 = "drivable"',
    "colours": '"#ff0000" = "lane line"',
    "names": '"asphalt" = "drivable"',
}
"""The sections of the file, with an example."""
SPARE = {"ignore": UNKNOWN, "void": UNKNOWN, "unlabeled": UNKNOWN, "unlabelled": UNKNOWN}
"""Other names that tools give to unknown pixels."""
Classes: TypeAlias = frozenset[int]
"""The class ids that a pixel may be."""


@dataclass(frozen=True)
class Rules:
    """What labels.toml says: one section of meanings by id, 0xRRGGBB or plain name."""

    root: Path
    task: str
    classes: tuple[str, ...]
    section: str = ""
    meanings: Mapping[Any, Classes] = field(default_factory=dict)

    @property
    def full(self) -> Classes:
        """All classes: the meaning of unknown."""
        return frozenset(range(len(self.classes)))

    def by_default(self) -> dict[int, Classes]:
        """The task's own ids, 255 = unknown."""
        return {i: frozenset({i}) for i in range(len(self.classes))} | {IGNORE: self.full}

    def of_names(self, names: Iterable[str], source: str) -> list[Classes]:
        """The meaning of each of the `names` in `source`.

        A name of the task, in any case and with `_` or `-` for a space, needs no rule.

        Raises:
            UnknownClasses: a name is neither the task's nor in [names].
        """
        listed = list(names)
        found = [self._of_name(name) for name in listed]
        missing = [name for name, meaning in zip(listed, found, strict=True) if meaning is None]
        if missing:
            own = ", ".join([*self.classes, UNKNOWN])
            lines = "\n".join(f'{_quoted(name)} = "{self.classes[1]}"' for name in missing)
            raise UnknownClasses(
                f"{source} has the classes {', '.join(dict.fromkeys(listed))}; the task "
                f"{self.task} has {own}. Write into {self.root / FILE} what each of yours is "
                f"there:\n[names]\n{lines}",
                tuple(dict.fromkeys(listed)),
            )
        return [meaning for meaning in found if meaning is not None]

    def _of_name(self, name: str) -> Classes | None:
        key = plain(name)
        if key in self.meanings:
            return self.meanings[key]
        if SPARE.get(key, key) == UNKNOWN:
            return self.full
        own = [BACKGROUND, *(plain(c) for c in self.classes[1:])]
        return frozenset({own.index(key)}) if key in own else None


def plain(name: str) -> str:
    """A class name for comparison: lower case, `_` and `-` as spaces."""
    return re.sub(r"[\s_-]+", " ", name.lower()).strip()


def read(root: Path) -> Rules:
    """The rules of `ROOT/labels.toml`; without that file: the task lanes, no meanings.

    Raises:
        BadDataset: the file is not TOML, has a wrong key, or names a class that the task lacks.
    """
    path = root / FILE
    values = _values(path)
    for key in values:
        if key not in ("task", *SECTIONS):
            raise BadDataset(plugins.unknown(str(path), key, ["task", *SECTIONS]))
    sections = [section for section in SECTIONS if section in values]
    if len(sections) > 1:
        listed = " and ".join(f"[{section}]" for section in sections)
        raise BadDataset(f"{path} has both {listed}: keep the one that your labels use")
    task = values.get("task") or _own_task(root / CLASSES)
    names = _class_names(path, task)
    if not sections:
        return Rules(root, task, names)
    section = sections[0]
    return Rules(root, task, names, section, _meanings(path, section, values[section], names))


def _values(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(_files.read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BadDataset(f"{path} is not TOML: {error}") from error


def _own_task(path: Path) -> str:
    """The task of one's own classes, or else lanes."""
    try:
        return plugins.own_classes(path) if path.is_file() else DEFAULT_TASK
    except BadInput as error:
        raise BadDataset(str(error)) from error


def _class_names(path: Path, task: Any) -> tuple[str, ...]:
    try:
        # By name, because data sets and tasks do not import each other.
        names = plugins.task(str(task)).class_names
    except LanesError as error:
        raise BadDataset(f"{path}: task = {task!r}: {error}") from error
    return names


def _meanings(
    path: Path, section: str, entries: Any, names: tuple[str, ...]
) -> dict[int | str, Classes]:
    wanted = f"wanted lines such as {SECTIONS[section]}"
    if not isinstance(entries, dict) or not entries:
        raise BadDataset(f"{path}: [{section}] is empty; {wanted}")
    found: dict[int | str, Classes] = {}
    for key, meaning in entries.items():
        value = _key(section, key)
        if value is None:
            raise BadDataset(f"{path}: {key!r} in [{section}]; {wanted}")
        found[value] = _classes(path, key, meaning, names)
    return found


def _key(section: str, key: str) -> int | str | None:
    if section == "names":
        return plain(key)
    if section == "ids":
        return int(key) if key.isdecimal() and int(key) <= IGNORE else None
    return int(key[1:], 16) if re.fullmatch("#[0-9a-fA-F]{6}", key) else None


def _classes(path: Path, key: str, meaning: Any, names: tuple[str, ...]) -> Classes:
    if meaning == UNKNOWN:
        return frozenset(range(len(names)))
    listed = meaning if isinstance(meaning, list) else [meaning]
    if not listed:
        raise BadDataset(f'{path}: {key} = []; wanted a class, a list of classes or "{UNKNOWN}"')
    for name in listed:
        if name not in names:
            known = [*names, UNKNOWN]
            raise BadDataset(plugins.unknown(f"{path}: {key}: the task", str(name), known))
    return frozenset(names.index(name) for name in listed)


def _quoted(name: str) -> str:
    """`name` as a TOML string."""
    return '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
