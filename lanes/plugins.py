"""Plug-ins: one file each, found by name and imported on demand. There is no other registry."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import pkgutil
import re
import tomllib
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import numpy as np

from lanes.errors import BadInput, MissingDependency, UnknownName
from lanes.types import IGNORE, LabelClass, LabelMap, Task

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "lanes-video"
DISTRIBUTIONS = {"cuda": "cuda-bindings", "skimage": "scikit-image"}
"""Libraries whose distribution has a different name."""
INDEXES = {"tensorrt": " --extra-index-url https://pypi.nvidia.com"}
"""Extra pip options for a library or extra that is not entirely on PyPI."""


def names(folder: str) -> list[str]:
    """The plug-ins in `lanes.<folder>`, sorted; files starting with `_` are shared code."""
    package = importlib.import_module(f"lanes.{folder}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """Import `lanes.<folder>.<name>`.

    Raises:
        UnknownName: no such file.
        MissingDependency: the plug-in needs a library that is not installed or fails to load.
    """
    if name not in names(folder):
        raise UnknownName(unknown(f"lanes.{folder}", name, names(folder)))
    try:
        return importlib.import_module(f"lanes.{folder}.{name}")
    except ImportError as error:
        if _interrupted(error):
            raise KeyboardInterrupt from error
        library = (error.name or "").partition(".")[0]
        if library == "lanes":  # our bug, not the user's installation
            raise
        if isinstance(error, ModuleNotFoundError):
            raise missing(f"{folder}/{name}", library) from error
        raise MissingDependency(f"{folder}/{name} cannot be loaded: {error}") from error


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused the error: compiled modules raise ImportError from it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def task(name: str) -> Task:
    """The task `name`: of `lanes/tasks`, or one's own classes in the form of `own_classes`.

    Raises:
        UnknownName: there is no such task.
        BadInput: `name` describes classes wrongly.
    """
    if not name.startswith("{"):
        found: Task = load("tasks", name).TASK
        return found
    try:
        return _own_task(name, json.loads(name))
    except ValueError as error:
        raise BadInput(f"{name} is not a list of classes with colours: {error}") from error


def own_classes(path: Path) -> str:
    """The task of a file classes.toml, as a name that `task` understands on any machine.

    A line has a class and its colour, in the order of the ids, the background first; thin lines say
    so: `"Schiene" = "#ff0000 line"`. Names may be in any script.

    Raises:
        BadInput: the file cannot be read, or is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        name = json.dumps(values, ensure_ascii=False)
        task(name)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path}: {error}") from error
    return name


def _own_task(name: str, values: dict[str, object]) -> Task:
    if not 2 <= len(values) <= IGNORE:
        raise BadInput(f"{len(values)} classes; wanted 2 to {IGNORE}, the background first")
    classes: list[LabelClass] = []
    for key, value in values.items():
        match = re.fullmatch(r"#([0-9a-fA-F]{6})( line)?", str(value))
        if not match or not key.strip() or key in ("unknown", "names"):
            wanted = '"rail" = "#ff0000", or "#ff0000 line" for thin lines'
            raise BadInput(f"{key!r} = {value!r}; wanted lines such as {wanted}")
        red, green, blue = bytes.fromhex(match[1])
        colour, alpha = (blue, green, red), 1.0 if classes else 0.0
        classes.append(LabelClass(key, colour, alpha, line=bool(match[2])))
    return Task(name, tuple(classes), partial(_shares, tuple(values)))


def _shares(names: tuple[str, ...], labels: LabelMap) -> dict[str, float]:
    """The share of each class but the background in the picture, 0..1."""
    counts = np.bincount(labels.ravel(), minlength=len(names)) / max(labels.size, 1)
    return {f"{name} share": float(counts[k]) for k, name in enumerate(names) if k}


def unknown(where: str, name: str, known: list[str]) -> str:
    """The message for an unknown name: the known names, and the closest match."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{where} has no {name!r}; it has {', '.join(known) or 'none'}{hint}"


def missing(what: str, library: str) -> MissingDependency:
    """The error for a missing library, with the command that installs it."""
    return MissingDependency(f"{what} needs {library!r}, not installed: {pip_command(library)}")


def installed(library: str) -> bool:
    """Whether `library` is installed; does not import it."""
    return importlib.util.find_spec(library) is not None


def pip_command(library: str) -> str:
    """The pip command that installs `library`: the smallest of our extras that lists it, if any."""
    # Imported here: it takes 10 ms, and only this error needs it.
    from importlib import metadata

    wanted = library.partition(".")[0].replace("_", "-").lower()
    wanted = DISTRIBUTIONS.get(wanted, wanted)
    try:
        ours = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return f"pip install {wanted}{INDEXES.get(wanted, '')}"
    extras: dict[str, list[str]] = {}
    for line in ours.requires or []:
        if extra := re.search(r"extra == ['\"]([\w-]+)['\"]", line):
            extras.setdefault(extra[1], []).append(re.split(r"[\s<>=!~;\[]", line)[0].lower())
    fitting = [name for name, libraries in extras.items() if wanted in libraries]
    if not fitting:
        return f"pip install {wanted}{INDEXES.get(wanted, '')}"
    # "dev" includes everything in "train".
    smallest = min(fitting, key=lambda name: len(extras[name]))
    return f"pip install {_install_target(ours)}[{smallest}]'{INDEXES.get(smallest, '')}"


def _install_target(ours: Distribution) -> str:
    """The source that pip installed us from: a checkout if it was one, as PyPI may not have us."""
    origin = json.loads(ours.read_text("direct_url.json") or "{}")  # PEP 610
    path = Path(unquote(urlparse(origin.get("url", "")).path))
    if not origin or not path.exists():
        return f"'{DISTRIBUTION}"
    editable = origin.get("dir_info", {}).get("editable", False)
    return f"-e '{path}" if editable else f"'{path}"
