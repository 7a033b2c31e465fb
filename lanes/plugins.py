"""One file is one plug-in, found by its name and imported when asked for; the only registry."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
from types import ModuleType

from lanes.errors import MissingDependency, UnknownName


def names(folder: str) -> list[str]:
    """The plug-ins of `lanes.<folder>`, sorted; files that begin with `_` are shared code."""
    package = importlib.import_module(f"lanes.{folder}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """Import `lanes.<folder>.<name>`.

    Raises:
        UnknownName: there is no such file.
        MissingDependency: the plug-in needs a library that is not installed.
    """
    if name not in names(folder):
        raise UnknownName(unknown(f"lanes.{folder}", name, names(folder)))
    try:
        return importlib.import_module(f"lanes.{folder}.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lanes"):
            raise
        raise missing(f"{folder}/{name}", error.name) from error


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
    try:
        requirements = importlib.metadata.requires("lanes-video") or []
    except importlib.metadata.PackageNotFoundError:
        requirements = []
    wanted = library.partition(".")[0].replace("_", "-").lower()
    for line in requirements:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if re.split(r"[\s<>=!~;\[]", line)[0].lower() == wanted and extra:
            return f"pip install 'lanes-video[{extra[1]}]'"
    return f"pip install {wanted}"
