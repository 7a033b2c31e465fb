"""A model folder that appears whole, in the place of an earlier one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lanes.card import CARD
from lanes.errors import BadOutput


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
    part, old = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise BadOutput(f"cannot write {folder}: {error.strerror}") from error
        yield part
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
