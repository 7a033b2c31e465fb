"""A model folder that appears whole, in the place of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lanes.card import CARD
from lanes.errors import BadOutput
from lanes.system.atomic import atomic_folder


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder that replaces `folder` at the end; an error leaves no trace of it.

    Raises:
        BadOutput: `folder` is not a model folder, or cannot be written.
    """
    cure = "name a new folder or a model folder"
    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder} is a file: {cure}")
    if folder.exists() and not (folder / CARD).is_file() and any(folder.iterdir()):
        raise BadOutput(f"{folder} is not empty and not a model folder: {cure}")
    with atomic_folder(folder) as part:
        yield part
