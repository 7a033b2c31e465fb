"""Turns the exceptions of a command into an error line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from rich.console import Console

from lanes.errors import INTERRUPTED, WRONG_INPUT, LanesError


def guarded(command: Callable[[], int]) -> int:
    """Run `command`; an error that users can cause prints one line and returns exit code 2."""
    # Python has None for a stream that the caller closed.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    try:
        with contextlib.redirect_stdout(_Tolerant(sys.stdout)):
            return command()
    except (LanesError, OSError) as error:
        console = Console(stderr=True, markup=False, emoji=False, soft_wrap=True)
        console.print(f"error: {_sentence(error)}", style="red")
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _nowhere() -> TextIO:
    return open(os.devnull, "w")


def _sentence(error: LanesError | OSError) -> str:
    """The error's own message, or the file and the reason that the operating system gave."""
    if isinstance(error, LanesError) or not error.strerror:
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}; use another file or folder"


class _Tolerant:
    """Standard output that may close or fill up while a command works, as with `| head`.

    The work goes on and the rest is not printed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write and flush `text`, so that nothing is left to fail at the program's end."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)

    def flush(self) -> None:
        """Nothing is left to flush."""
