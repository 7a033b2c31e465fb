"""Plug-ins: one file each, found by name and imported on demand. There is no other registry."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import json
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlparse

from lanes.errors import MissingDependency, UnknownName

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
        library = (error.name or "").partition(".")[0]
        if library == "lanes":  # our bug, not the user's installation
            raise
        if isinstance(error, ModuleNotFoundError):
            raise missing(f"{folder}/{name}", library) from error
        raise MissingDependency(f"{folder}/{name} cannot be loaded: {error}") from error


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
    wanted = library.partition(".")[0].replace("_", "-").lower()
    wanted = DISTRIBUTIONS.get(wanted, wanted)
    try:
        ours = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
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


def _install_target(ours: importlib.metadata.Distribution) -> str:
    """The source that pip installed us from: a checkout if it was one, as PyPI may not have us."""
    origin = json.loads(ours.read_text("direct_url.json") or "{}")  # PEP 610
    path = Path(unquote(urlparse(origin.get("url", "")).path))
    if not origin or not path.exists():
        return f"'{DISTRIBUTION}"
    editable = origin.get("dir_info", {}).get("editable", False)
    return f"-e '{path}" if editable else f"'{path}"
