"""One file is one plug-in, found by its name and imported when asked for; the only registry."""

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
"""Libraries whose distribution has another name."""
INDEXES = {"tensorrt": " --extra-index-url https://pypi.nvidia.com"}
"""What pip needs besides for a library, or an extra, that is not all on PyPI."""


def names(folder: str) -> list[str]:
    """The plug-ins of `lanes.<folder>`, sorted; files that begin with `_` are shared code."""
    package = importlib.import_module(f"lanes.{folder}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """Import `lanes.<folder>.<name>`.

    Raises:
        UnknownName: there is no such file.
        MissingDependency: the plug-in needs a library that is not installed, or does not load.
    """
    if name not in names(folder):
        raise UnknownName(unknown(f"lanes.{folder}", name, names(folder)))
    try:
        return importlib.import_module(f"lanes.{folder}.{name}")
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library == "lanes":  # a mistake of ours, not of the user's installation
            raise
        if isinstance(error, ModuleNotFoundError):
            raise missing(f"{folder}/{name}", library) from error
        raise MissingDependency(f"{folder}/{name} cannot be loaded: {error}") from error


def unknown(where: str, name: str, known: list[str]) -> str:
    """The sentence for a name that `where` does not have: what there is, and the nearest."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{where} has no {name!r}; it has {', '.join(known) or 'none'}{hint}"


def missing(what: str, library: str) -> MissingDependency:
    """The error for a library that is not installed, with the command that installs it."""
    return MissingDependency(f"{what} needs {library!r}, not installed: {pip_command(library)}")


def installed(library: str) -> bool:
    """Whether `library` can be imported, found without importing it."""
    return importlib.util.find_spec(library) is not None


def pip_command(library: str) -> str:
    """The pip command that brings `library`, by the extra of our own metadata that lists it."""
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
    # "dev" lists all that "train" does, and more.
    smallest = min(fitting, key=lambda name: len(extras[name]))
    return f"pip install {_whence(ours)}[{smallest}]'{INDEXES.get(smallest, '')}"


def _whence(ours: importlib.metadata.Distribution) -> str:
    """What pip was given to install us: a folder where it was one, since no index may have us."""
    origin = json.loads(ours.read_text("direct_url.json") or "{}")  # PEP 610
    path = Path(unquote(urlparse(origin.get("url", "")).path))
    if not origin or not path.exists():
        return f"'{DISTRIBUTION}"
    editable = origin.get("dir_info", {}).get("editable", False)
    return f"-e '{path}" if editable else f"'{path}"
