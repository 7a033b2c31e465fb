"""What can go wrong, as one small tree; every message says what was got, what was wanted, the cure.

LanesError                    all of ours: a command prints it in one line and exits with code 2
+-- BadInput (ValueError)     a file, folder, stream or array that cannot be used as asked
|   +-- AfterEnd              a start that lies after the last frame
|   +-- BadVideo              not a video, damaged, or of a kind that is not supported
|   +-- BadModel              a model folder whose card or network is missing or broken
|   +-- BadDataset            missing or contradictory images and labels
|   +-- BadConfig             a configuration with a wrong key or value
+-- BadOutput (OSError)       a place that cannot be written, or must not be overwritten
+-- UnknownName (LookupError) no plug-in, model, class or option of that name
+-- MissingDependency (ImportError)  an extra that is not installed; spells its pip command
+-- BackendError (RuntimeError)      the engine refused the model or failed while running
"""

from __future__ import annotations

INCOMPLETE, WRONG_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes of the commands: done, but frames or images were lost; an error of ours; Ctrl-C."""


class LanesError(Exception):
    """The base of every error that `lanes` raises on purpose."""


class BadInput(LanesError, ValueError):
    """A file, folder, stream or array that cannot be used as asked."""


class AfterEnd(BadInput):
    """A start that lies after the last frame."""


class BadVideo(BadInput):
    """Not a video, damaged, or of a kind that is not supported."""


class BadModel(BadInput):
    """A model folder whose card or network is missing or broken."""


class BadDataset(BadInput):
    """Missing or contradictory images and labels."""


class BadConfig(BadInput):
    """A configuration with a wrong key or value."""


class BadOutput(LanesError, OSError):
    """A place that cannot be written, or must not be overwritten."""


class UnknownName(LanesError, LookupError):
    """No plug-in, model, class or option of that name."""


class MissingDependency(LanesError, ImportError):
    """An optional library is not installed; the message spells the pip command."""


class BackendError(LanesError, RuntimeError):
    """The engine refused the model or failed while running."""
