"""The programs' entry points: Ctrl-C ends a program silently while it loads its modules.

This module imports little, so that this holds almost from the start of the process.
"""

from __future__ import annotations

import signal


def main() -> None:
    """The command `lanes`."""
    _run("main")


def video_main() -> None:
    """The command `lanes-video`."""
    _run("video_main")


def image_main() -> None:
    """The command `lanes-image`."""
    _run("image_main")


def dashboard_main() -> None:
    """The command `lanes-dashboard`."""
    _run("dashboard_main")


def webcam_main() -> None:
    """The command `lanes-webcam`."""
    _run("webcam_main")


def _run(name: str) -> None:
    """Run a function of `lanes.cli.main`; Ctrl-C raises `KeyboardInterrupt` only within it."""
    # Compiled modules turn the exception into others while they are imported.
    _exchange(signal.default_int_handler, signal.SIG_DFL)
    from lanes.cli import main as programs

    _exchange(signal.SIG_DFL, signal.default_int_handler)
    try:
        getattr(programs, name)()
    finally:
        # The files are complete, and Python prints a traceback if it is interrupted as it ends.
        _exchange(signal.default_int_handler, signal.SIG_DFL)


def _exchange(handler: object, new: signal._HANDLER) -> None:
    """Set the handler of Ctrl-C to `new` if it is `handler`; `nohup` and others keep theirs."""
    if signal.getsignal(signal.SIGINT) is handler:
        signal.signal(signal.SIGINT, new)
