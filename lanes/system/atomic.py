"""Files and folders that appear under their name in one step, when they are whole."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lanes.errors import BadOutput

CURE = "choose another place"
_NUMBERS = itertools.count()


def part_of(path: Path) -> Path:
    """A hidden name beside `path`, with its suffix, that no other thread or process uses."""
    return path.with_name(f".{path.stem[:50]}.part-{os.getpid()}-{next(_NUMBERS)}{path.suffix}")


@contextmanager
def writing(path: Path, cure: str = CURE) -> Iterator[None]:
    """Make an `OSError` inside a `BadOutput` about `path`, with its reason and the `cure`."""
    try:
        yield
    except BadOutput:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadOutput(f"{path} cannot be written ({reason}): {cure}") from error


def check_no_device(path: Path) -> None:
    """Raise `BadOutput` if `path` is a pipe or a device, which a new file would replace."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise BadOutput(f"{path} is a pipe or a device, not a file; give the name of a file")


def make_folder(folder: Path, cure: str = CURE) -> None:
    """Make `folder` and its parents if missing; raises `BadOutput`."""
    with writing(folder, cure):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def atomic_file(path: Path, durable: bool = True, cure: str = CURE) -> Iterator[Path]:
    """A new file beside `path` to write, which replaces `path` at the end; an error removes it.

    `durable` waits for the disk, so that a power cut leaves the old file or the new one. It takes
    milliseconds: False is for one of many files.

    Raises:
        BadOutput: the file cannot be written or replaced.
    """
    part = part_of(path)
    try:
        with writing(path, cure):
            check_no_device(path)
            yield part
            if durable:
                _to_disk(part)
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, overwrite: bool = True, cure: str = CURE) -> Iterator[Path]:
    """A new folder beside `folder` to fill, which takes its place at the end; an error removes it.

    Without `overwrite`, a folder with files that exists by then stays, and the new one is removed.

    Raises:
        BadOutput: the folder cannot be made or replaced.
    """
    part, old = part_of(folder), part_of(folder)
    try:
        with writing(folder, cure):
            part.mkdir(parents=True)
            yield part
            if overwrite and folder.exists():
                os.replace(folder, old)
            _take_place(part, folder, old, overwrite)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if folder.exists():  # else `old` is all that is left
            shutil.rmtree(old, ignore_errors=True)


def _take_place(part: Path, folder: Path, old: Path, overwrite: bool) -> None:
    try:
        os.replace(part, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        if overwrite or not folder.is_dir():
            raise


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
