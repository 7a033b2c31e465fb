"""Data sets of labelled images: one module each, with `open(root, split)`.

Each module states `TASK`, `TARGETS`, `MEASURES` and `TERMS`. A folder may override
them (`image_folder`), so read the attributes of the opened data set. `looks_like(root)`, where a
module has it, says whether a folder holds its format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from lanes import plugins
from lanes.errors import BadConfig, BadDataset, MissingDependency


def roots_of(texts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Data set names and their roots from texts as given to `--data`.

    A text is `NAME=ROOT`, a folder whose format is detected, or the name of a data set without
    files (its root is empty). The second result has a line for each detected format.

    Raises:
        BadConfig: a name comes twice, or its data set needs a folder.
        BadDataset: no format fits a folder, or several do.
        UnknownName: there is no such data set, and no such folder.
    """
    found: dict[str, str] = {}
    notes = []
    for text in texts:
        name, separator, root = text.partition("=")
        if not separator and text not in plugins.names("datasets") and Path(text).is_dir():
            name, root = detect(Path(text)), text
            notes.append(f"{root}: {name}, {summary(plugins.load('datasets', name))}")
        module = plugins.load("datasets", name)
        if name in found:
            raise BadConfig(f"--data {text!r}: {name} is given twice; wanted each data set once")
        if not root and not getattr(module, "NEEDS_NO_FILES", False):
            raise BadConfig(f"--data {text!r}: {name} needs a folder; wanted {name}=ROOT")
        found[name] = root
    return found, notes


def detect(root: Path) -> str:
    """The name of the data set whose format the folder `root` has.

    Raises:
        BadDataset: there is no such folder, no format fits it, or several do.
    """
    if not root.is_dir():
        raise BadDataset(f"no folder {root}: check the ROOT given")
    modules = {name: module for name, module in _readable() if module.looks_like(root)}
    if len(modules) == 1:
        return next(iter(modules))
    if modules:
        pairs = " or ".join(f"{name}={root}" for name in modules)
        raise BadDataset(f"{root} fits several formats: name one of them, {pairs}")
    _check_labels(root)
    inside = sorted(path.name for path in root.iterdir())
    formats = ", ".join(name for name, _ in _readable())
    raise BadDataset(
        f"{root} has none of the formats {formats}; it holds {', '.join(inside[:5]) or 'nothing'}"
        f"{', ...' if len(inside) > 5 else ''}. Each file in lanes/datasets describes its layout; "
        f"FORMAT={root} insists on one and says what is missing"
    )


def _check_labels(root: Path) -> None:
    """Raise `BadDataset` if a JSON file in `root` is damaged: its format cannot be known."""
    from lanes.datasets import _vector

    for file in _vector.files_in(root, "*.json", depth=1):
        _vector.read_json(file)


def summary(module: ModuleType) -> str:
    """A data set in one line."""
    return (module.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _readable() -> list[tuple[str, ModuleType]]:
    """The data sets whose format can be detected, by name."""
    found = []
    for name in plugins.names("datasets"):
        try:
            module = plugins.load("datasets", name)
        except MissingDependency:
            continue
        if hasattr(module, "looks_like"):
            found.append((name, module))
    return found
