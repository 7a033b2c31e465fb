"""Implements `lanes dashboard`: starts Streamlit with the app and its options."""

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

    The pages may open files of the folders `allowed`. `models` are model folders to offer in
    addition to the included models. `given` are options of Streamlit.

    Raises:
        MissingDependency: Streamlit is not installed.
        BadInput: one of `allowed` is not a folder, or `given` has more than options.
        BadModel: one of `models` is not a model folder.
    """
    if not plugins.installed(LIBRARY):
        raise plugins.missing("the dashboard", LIBRARY)
    sys.argv = [LIBRARY, *arguments(allowed, models, given)]
    try:
        # Like `python -m streamlit`, but in this process, so that it receives signals.
        runpy.run_module(LIBRARY, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def arguments(allowed: Sequence[Path], models: Sequence[Path], given: Sequence[str]) -> list[str]:
    """Streamlit's command line; its defaults are in `apps/.streamlit`."""
    for folder in allowed:
        if not folder.is_dir():
            raise BadInput(f"--allow-paths {folder}: no such folder; give an existing one")
    for before, word in zip(["", *given], given, strict=False):
        # All of Streamlit's options take a value.
        is_value = before.startswith("--") and "=" not in before and before != "--"
        if not (word.startswith("-") or is_value):
            raise BadInput(
                f"the dashboard takes options only, got {word!r}: start it with "
                "--allow-paths DIR, and open the file on the page Live"
            )
    for folder in models:
        cards.read(assets.model_folder(str(folder)))
    own = [f"--allow-paths={folder.resolve()}" for folder in allowed]
    own += [f"--model={folder.resolve()}" for folder in models]
    return ["run", str(assets.folder("apps") / APP), *given, "--", *own]
