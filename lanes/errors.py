"""All errors; each message says what it got, what it wanted, and how to fix it.

LanesError                    base class: a command prints it in one line and exits with code 2
+-- BadInput (ValueError)     an unusable file, folder, stream, array or option
|   +-- AfterEnd              a start time after the last frame
|   +-- BadVideo              not a video, damaged, or an unsupported format
|   +-- BadModel              a model folder whose card or network is missing or broken
|   +-- BadDataset            missing or contradictory images and labels
|       +-- UnknownClasses    class names that the task does not have
|   +-- BadConfig             a configuration with a wrong key or value
+-- BadOutput (OSError)       a path that cannot be written or must not be overwritten
+-- UnknownName (LookupError) no plug-in, model, class or option of that name
+-- MissingDependency (ImportError)  an extra that is not installed; gives the pip command
+-- BackendError (RuntimeError)      the engine refused the model or failed while running
"""

from __future__ import annotations

INCOMPLETE, WRONG_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes of the commands: finished with frames or images lost; `LanesError`; Ctrl-C."""


def ended_by(signal: int) -> int:
    """The exit code of a command that a signal ended, as shells give it.

    >>> ended_by(2) == INTERRUPTED
    True
    """
    return 128 + signal


class LanesError(Exception):
    """Base class of all errors that `lanes` raises on purpose."""


class BadInput(LanesError, ValueError):
    """An unusable file, folder, stream, array or option."""


class AfterEnd(BadInput):
    """A start time after the last frame."""


class BadVideo(BadInput):
    """Not a video, damaged, or an unsupported format."""


class BadModel(BadInput):
    """A model folder whose card or network is missing or broken."""


class BadDataset(BadInput):
    """Missing or contradictory images and labels."""


class UnknownClasses(BadDataset):
    """Labels have class names that the task does not have; `names` are all names of the labels."""

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


class BadConfig(BadInput):
    """A configuration with a wrong key or value."""


class BadOutput(LanesError, OSError):
    """A path that cannot be written or must not be overwritten."""


class UnknownName(LanesError, LookupError):
    """No plug-in, model, class or option of that name."""


class MissingDependency(LanesError, ImportError):
    """An optional library is not installed; the message gives the pip command."""


class BackendError(LanesError, RuntimeError):
    """The engine refused the model or failed while running."""
