"""Runs an object in its own process: a crash or hang there becomes an error here.

So an engine shares its process with no other library, its memory can be measured, and a driver that
kills the process does not kill the command.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from lanes.errors import BackendError, LanesError

PATIENCE = 1800.0
"""Seconds to wait for an answer; building an engine takes minutes."""


class FreshProcess:
    """Creates an object with `make(*arguments)` in a new process and calls its methods there.

    `make`, arguments and answers are pickled. An answer may take `patience` seconds (None: any
    time). The process ends with this one, also if this one is killed. With `noise=False`, its
    output is dropped.
    A `LanesError` is raised here unchanged, any other error as `BackendError`.
    """

    def __init__(
        self,
        make: Callable[..., object],
        *arguments: Any,
        patience: float | None = PATIENCE,
        noise: bool = True,
    ) -> None:
        # Not a fork: that would inherit this process's memory, libraries and locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # A daemon process ends at this one's exit; `_end_with_parent` covers a kill.
        self._process = context.Process(target=_serve, args=(theirs, noise), daemon=True)
        self._patience = patience
        self._process.start()
        theirs.close()
        try:
            self._ask(make, arguments)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *arguments: Any) -> Any:
        """Call `method` of the object; returns its result and raises its errors.

        Raises:
            BackendError: the process crashed, or did not answer in time and was killed.
        """
        return self._ask(method, arguments)

    def _ask(self, what: str | Callable[..., object], arguments: tuple[Any, ...]) -> Any:
        try:
            self._pipe.send((what, arguments))
            if not self._pipe.poll(self._patience):
                self.close()
                raise BackendError(f"no answer within {self._patience:.0f} s: process killed")
            succeeded, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise BackendError(_crash(self._process.exitcode)) from error
        if succeeded:
            return answer
        raise answer

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _serve(pipe: Connection, noise: bool) -> None:
    """The child process: create the object, then call its methods until the pipe closes."""
    # Ctrl-C reaches all processes of a terminal; let the parent handle it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not noise:
        # C libraries bypass sys.stdout.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    thing = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            what, arguments = pipe.recv()
            try:
                if isinstance(what, str):
                    answer = getattr(thing, what)(*arguments)
                else:
                    answer, thing = None, what(*arguments)
            except Exception as error:
                pipe.send((False, _portable(error)))
            else:
                pipe.send((True, answer))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a child process"
    parent.join()
    os._exit(1)


def _portable(error: Exception) -> LanesError:
    """Convert to an error that can be pickled; exceptions of C++ libraries cannot."""
    if isinstance(error, LanesError):
        return error
    portable = BackendError(f"{type(error).__name__}: {error}")
    portable.add_note(traceback.format_exc())
    return portable


def _crash(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the process crashed by signal {-code} ({signal.Signals(-code).name})"
    return f"the process exited with code {code}"
