"""Writes a pipeline's results to any number of outputs."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lanes.pipeline.labelled import Labelled
from lanes.pipeline.outputs import Output


class Recorder:
    """Writes results until `finish`; the files appear under their names only then, whole.

    As a context manager it finishes at the end of the block, also after Ctrl-C; any other error
    removes the files. `path` names the recording in messages. May be used by several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._outputs: list[Output] = []
        self._files: ExitStack | None = ExitStack()

    def add(self, output: Output) -> None:
        """Write to `output`, too, and finish its file with the others."""
        assert self._files is not None, "the recorder is finished"
        if isinstance(output, AbstractContextManager):
            self._files.enter_context(output)
        self._outputs.append(output)

    def write(self, labelled: Labelled) -> None:
        """Write one result to each output, in their order; nothing once it is finished.

        Raises:
            BadOutput: it cannot be written; nothing is left of the files.
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
        """Make the files whole.

        Raises:
            BadOutput: they cannot be finished; nothing is left of them.
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
