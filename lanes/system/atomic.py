"""Files and folders that appear under their name in one step, when they are whole."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBERS = itertools.count()


def part_of(path: Path) -> Path:
    """A hidden name beside `path`, with its suffix, that no other thread or process uses."""
    return path.with_name(f".{path.stem[:50]}.part-{os.getpid()}-{next(_NUMBERS)}{path.suffix}")


@contextmanager
def atomic_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """A new file beside `path` to write, which replaces `path` at the end; an error removes it.

    `durable` waits for the disk, so that a power cut leaves the old file or the new one. It takes
    milliseconds: False is for one of many files.

    Raises:
        OSError: the file cannot be written or replaced.
    """
    part = part_of(path)
    try:
        yield part
        if durable:
            _to_disk(part)
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, overwrite: bool = True) -> Iterator[Path]:
    """A new folder beside `folder` to fill, which takes its place at the end; an error removes it.

    Without `overwrite`, a folder with files that exists by then stays, and the new one is removed.

    Raises:
        OSError: the folder cannot be made or replaced.
    """
    part, old = part_of(folder), part_of(folder)
    try:
        part.mkdir(parents=True)
        yield part
        if overwrite and folder.exists():
            os.replace(folder, old)
        try:
            os.replace(part, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            if overwrite or not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
