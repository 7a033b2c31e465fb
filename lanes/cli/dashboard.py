"""What `lanes dashboard` does: starts Streamlit on the app, with the app's own options."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from lanes import assets, plugins
from lanes import card as cards
from lanes.errors import BadInput

APP = "dashboard.py"
LIBRARY = "streamlit"


def run_dashboard(allowed: Sequence[Path], models: Sequence[Path], given: Sequence[str]) -> int:
    """Serve the dashboard until Ctrl-C; returns the exit code.

    `allowed` are folders whose files the pages may open, `models` model folders offered besides
    those that come along; `given` are options of Streamlit.

    Raises:
        MissingDependency: Streamlit is not installed.
        BadInput: one of `allowed` is no folder, or `given` holds more than options.
        BadModel: one of `models` is no model folder.
    """
    if not plugins.installed(LIBRARY):
        raise plugins.missing("the dashboard", LIBRARY)
    sys.argv = [LIBRARY, *arguments(allowed, models, given)]
    try:
        # As `python -m streamlit`, in this process: so signals reach it, and no import names it.
        runpy.run_module(LIBRARY, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def arguments(allowed: Sequence[Path], models: Sequence[Path], given: Sequence[str]) -> list[str]:
    """The command line for Streamlit, whose defaults stand in `apps/.streamlit`."""
    for folder in allowed:
        if not folder.is_dir():
            raise BadInput(f"--allow-paths {folder}: there is no such folder; name one that exists")
    for before, word in zip(["", *given], given, strict=False):
        # All of Streamlit's options have a value.
        is_value = before.startswith("--") and "=" not in before and before != "--"
        if not (word.startswith("-") or is_value):
            raise BadInput(
                f"the dashboard is given no file, but got {word!r}: start it with "
                "--allow-paths DIR, and open the file on the page Live"
            )
    for folder in models:
        cards.read(assets.model_folder(str(folder)))
    own = [f"--allow-paths={folder.resolve()}" for folder in allowed]
    own += [f"--model={folder.resolve()}" for folder in models]
    return ["run", str(assets.folder("apps") / APP), *given, "--", *own]
