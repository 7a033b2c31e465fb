"""Turns the exceptions of a command into an error line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console

from lanes.errors import INTERRUPTED, WRONG_INPUT, LanesError


def guarded(command: Callable[[], int]) -> int:
    """Run `command`; a `LanesError` prints one line and returns exit code 2."""
    try:
        return command()
    except LanesError as error:
        console = Console(stderr=True, markup=False, emoji=False, soft_wrap=True)
        console.print(f"error: {error}", style="red")
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
