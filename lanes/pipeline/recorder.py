"""Writes the results of a pipeline to several outputs."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from lanes.pipeline.labelled import Labelled


class Output(Protocol):
    """Accepts the results of a pipeline, one by one, in order."""

    def write(self, labelled: Labelled) -> None:
        """Write one result; raises `BadOutput`."""


class Recorder:
    """Writes results until `finish`, which gives the completed files their names.

    As a context manager it finishes at the end of the block, also after Ctrl-C; any other error
    removes the files. `path` names the recording in messages. Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._outputs: list[Output] = []
        self._files: ExitStack | None = ExitStack()

    def add(self, output: Output) -> None:
        """Add an output; its file is finished with the others."""
        assert self._files is not None, "the recorder is finished"
        if isinstance(output, AbstractContextManager):
            self._files.enter_context(output)
        self._outputs.append(output)

    def write(self, labelled: Labelled) -> None:
        """Write one result to each output, in order; does nothing after `finish`.

        Raises:
            BadOutput: an output cannot be written; all files are removed.
        """
        with self._lock:
            if self._files is None:
                return
            try:
                for output in self._outputs:
                    output.write(labelled)
            except BaseException as error:
                self._leave(error)
                raise

    def finish(self) -> None:
        """Complete the files.

        Raises:
            BadOutput: a file cannot be completed; all files are removed.
        """
        with self._lock:
            self._leave(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        with self._lock:
            self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        files, self._files = self._files, None
        if files is not None:
            files.__exit__(type(error) if error else None, error, None)
