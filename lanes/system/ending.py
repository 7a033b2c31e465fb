"""Signals that end a program: the first lets it finish its files, a second one ends it at once.

Within `finishing`, Ctrl-C, SIGTERM, SIGHUP (on Windows Ctrl-Break) raise nothing. The stages of a
pipeline poll `asked` and finish within `seconds_left`. When that time is over, or a second signal
comes, the steps of `before_exit` run and the process exits with 128 + the signal's number.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType

from lanes.errors import ended_by

LIMIT = 2.9
"""Seconds from the first signal to the exit of the process."""
TOGETHER = 0.25
"""Signals within this time are one: `timeout` and closing terminals send several at once."""
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

Step = Callable[[], object]


class Ending:
    """Which signal asked the process to end, and when; `number` is 0 until one comes."""

    def __init__(self, limit: float = LIMIT) -> None:
        """The process exits `limit` seconds after the first signal at the latest."""
        self.number, self._since, self._limit = 0, math.inf, limit

    @property
    def seconds_left(self) -> float:
        """Seconds until the process exits; infinite until a signal comes."""
        return max(0.0, self._since + self._limit - time.monotonic())

    def ask(self, number: int) -> None:
        """Take signal `number`: the first starts the time limit, a second one exits."""
        now = time.monotonic()
        if not self.number:
            self._since, self.number = now, number
        elif now - self._since > TOGETHER:
            self.exit()

    def exit(self) -> None:
        """Run the steps of `before_exit`, then exit without waiting for any thread."""
        for reference in list(_steps):
            with contextlib.suppress(Exception):
                if step := reference():
                    step()
        _say(f"ended by {signal.Signals(self.number).name}")
        os._exit(ended_by(self.number))


_current: Ending | None = None
_steps: list[weakref.WeakMethod[Step]] = []


def asked() -> bool:
    """Whether a signal asked the process to end."""
    return _current is not None and _current.number > 0


def seconds_left() -> float:
    """Seconds until the process exits; infinite until a signal comes."""
    return math.inf if _current is None else _current.seconds_left


def before_exit(step: Step) -> None:
    """Call the method `step`, from another thread, if the process must exit before it is done.

    Its object is not kept alive.
    """
    _steps.append(weakref.WeakMethod(step))


def not_before_exit(step: Step) -> None:
    """Forget a method of `before_exit`, and those whose objects are gone."""
    _steps[:] = [known for known in _steps if known() not in (None, step)]


@contextlib.contextmanager
def finishing(limit: float = LIMIT) -> Iterator[Ending]:
    """Within the block signals ask for an end, in `limit` seconds, instead of raising or killing.

    Signals that are ignored (`nohup`) or have a handler of the caller's own are left alone. A block
    within another one shares its `Ending`; in other threads than the main one nothing changes.
    """
    global _current
    if _current is not None or threading.current_thread() is not threading.main_thread():
        yield _current or Ending(limit)
        return
    with contextlib.ExitStack() as stack:
        ending = Ending(limit)
        stack.callback(_forget)
        _listen(ending, stack)
        _current = ending
        yield ending


def _forget() -> None:
    global _current
    _current = None


def _listen(ending: Ending, stack: contextlib.ExitStack) -> None:
    """Have a thread take the signals: the main one may be busy in a library for seconds."""
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    watcher = threading.Thread(target=_watch, args=(ours, ending), name="ending", daemon=True)
    watcher.start()
    stack.callback(watcher.join)
    stack.callback(theirs.close)  # ends the watcher
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    stack.callback(signal.set_wakeup_fd, before)
    for number in _numbers():
        stack.callback(signal.signal, number, signal.signal(number, _take))


def _numbers() -> list[signal.Signals]:
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) in _DEFAULTS]


def _take(number: int, frame: FrameType | None) -> None:
    """Nothing: the watcher has the signal from the wakeup socket."""


def _watch(ours: socket.socket, ending: Ending) -> None:
    """Pass signals on to `ending`, and exit when its time is over."""
    watched = {int(number) for number in map(_signal, _NAMES) if number}
    while True:
        left = ending.seconds_left
        ours.settimeout(None if left == math.inf else max(left, 0.001))
        try:
            received = ours.recv(1)
        except TimeoutError:
            ending.exit()
        if not received:
            return
        if received[0] in watched:
            ending.ask(received[0])


def _signal(name: str) -> int:
    return int(getattr(signal, name, 0))


def _say(message: str) -> None:
    """Print without locks, which a thread that hangs may hold; show a hidden cursor again."""
    with contextlib.suppress(OSError):
        if sys.stdout is not None and sys.stdout.isatty():
            os.write(1, b"\x1b[?25h\n")
        os.write(2, f"{message}\n".encode())
