"""An object that lives in a process of its own: what crashes or hangs there is an error here.

So an engine meets no library but its own, its memory can be told apart, and a driver that takes the
whole process down does not take the command with it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from lanes.errors import BackendError, LanesError

PATIENCE = 1800.0
"""Seconds after which an answer is no longer waited for; building an engine takes minutes."""


class FreshProcess:
    """Makes an object by `make(*arguments)` in a new process and calls its methods there.

    `make`, arguments and answers are pickled. Without `noise`, what is printed there is dropped.
    Errors of ours are raised here as they were there, all others as `BackendError`.
    """

    def __init__(
        self,
        make: Callable[..., object],
        *arguments: Any,
        patience: float = PATIENCE,
        noise: bool = True,
    ) -> None:
        # Not a fork: it would begin with the memory, the libraries and the locks of this process.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # The processes of a daemon end with this one.
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
        """What `method` of the object returns; raises what it raises.

        Raises:
            BackendError: the process has crashed, or gave no answer in time and was ended.
        """
        return self._ask(method, arguments)

    def _ask(self, what: str | Callable[..., object], arguments: tuple[Any, ...]) -> Any:
        try:
            self._pipe.send((what, arguments))
            if not self._pipe.poll(self._patience):
                self.close()
                raise BackendError(f"no answer within {self._patience:.0f} s: given up")
            succeeded, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise BackendError(_crash(self._process.exitcode)) from error
        if succeeded:
            return answer
        raise answer

    def close(self) -> None:
        """End the process."""
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
    """The other side: make the object, then call its methods, until the pipe is closed."""
    # Ctrl-C reaches every process of a terminal; the one that the user started decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not noise:
        # Libraries written in C print past Python.
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


def _portable(error: Exception) -> LanesError:
    """An error that can be pickled: exceptions of C++ libraries cannot."""
    if isinstance(error, LanesError):
        return error
    told = BackendError(f"{type(error).__name__}: {error}")
    told.add_note(traceback.format_exc())
    return told


def _crash(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the process crashed by signal {-code} ({signal.Signals(-code).name})"
    return f"the process ended with the code {code}"
