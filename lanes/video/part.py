"""Unfinished files: hidden beside their final name, locked, and never lost."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from lanes.errors import BadOutput
from lanes.system import ending

MARK = ".part"
Salvage: TypeAlias = Callable[[Path], Path | None]
"""Makes of a hidden file that a killed run left the file to keep: itself, a copy, or None."""


def hidden_name(path: Path) -> Path:
    """The hidden name for the unfinished file of `path`, in the same folder.

    >>> hidden_name(Path("out.mp4")).name
    '.out.part.mp4'
    """
    stem = path.stem
    if len(stem) > 50:
        # The name may already have the maximum length; the number keeps it unique.
        stem = f"{stem[:50]}-{zlib.crc32(os.fsencode(stem)):08x}"
    return path.with_name(f".{stem}{MARK}{path.suffix}")


def shown_name(hidden: Path) -> Path:
    """The final name for a file that has the name of `hidden_name`."""
    stem = hidden.stem.removeprefix(".").removesuffix(MARK)
    return hidden.with_name(f"{stem}{hidden.suffix}")


def copy_name(hidden: Path) -> Path:
    """The name for a second copy of an unfinished file, which nobody needs if it is left over."""
    return hidden.with_name(f"{hidden.stem}-copy{hidden.suffix}")


def free_name(path: Path, note: str = "") -> Path:
    """`path` with `note` after its stem, and with a number where that exists already."""
    free = path.with_name(f"{path.stem}{note}{path.suffix}")
    numbers = count(2)
    while os.path.lexists(free):
        free = path.with_name(f"{path.stem}{note}_{next(numbers)}{path.suffix}")
    return free


class Disk(io.FileIO):
    """A file that remembers its first error, because FFmpeg does not report the last ones."""

    failed: OSError | None = None

    def write(self, content: Any) -> int:
        """Write all of `content` (bytes)."""
        left = memoryview(content)
        try:
            while left:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self.failed = self.failed or error
            raise
        return len(content)


class Part:
    """The unfinished file of `path`, for the owner to write through `file`, or at `hidden`.

    It is locked, so that no other run writes the same output. `head` is its size in bytes while it
    holds nothing worth keeping. If the process must exit early it gets its final name as it is.
    What a killed run left there is `recovered`: the new name of what `salvage` makes of it, if any.

    Raises:
        BadOutput: another run writes this output now.
        OSError: there can be no file.
    """

    def __init__(
        self, path: Path, overwrite: bool, salvage: Salvage = lambda hidden: hidden
    ) -> None:
        self.path, self.overwrite, self.head = path, overwrite, 0
        self.hidden = hidden_name(path.absolute())
        self.recovered: Path | None = None
        self._lock = _claim(self.hidden)
        while os.fstat(self._lock).st_size:
            self.recovered = rescue(self.hidden, free_name(path, "_recovered"), salvage)
            os.close(self._lock)
            self._lock = _claim(self.hidden)
        self.file = Disk(self._lock, "r+b")
        self._open, self._settling = True, threading.RLock()
        ending.before_exit(self.keep)

    def name(self, whole: Path | None = None) -> Path:
        """Give the file, or `whole` in its stead, the final name; returns that name.

        A file that was made there meanwhile stays, unless `overwrite`; then the name is a free one.
        """
        with self._settling:
            if not self._open:
                return self.path
            self.path = move(whole or self.hidden, self.path, self.overwrite)
            self._settle()
        return self.path

    def keep(self) -> None:
        """Name the file if it holds anything; else remove it."""
        with self._settling:
            if self._open and self.hidden.stat().st_size > self.head:
                self.name()
            self.remove()

    def remove(self) -> None:
        """Remove the file; does nothing once it has its final name."""
        with self._settling:
            if self._open:
                self._settle()

    def _settle(self) -> None:
        """Leave no hidden file, and unlock."""
        self._open = False
        ending.not_before_exit(self.keep)
        for left in (self.hidden, copy_name(self.hidden)):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
        self.file.close()  # unlocks


def rescue(hidden: Path, path: Path, salvage: Salvage) -> Path | None:
    """Name what a killed run left at `hidden`: `path`, or a free name like it; returns the name.

    If nothing can be salvaged, it is removed, and the result is None.
    """
    copy_name(hidden).unlink(missing_ok=True)
    saved = salvage(hidden)
    named = move(saved, path, overwrite=False) if saved else None
    hidden.unlink(missing_ok=True)
    return named


def move(part: Path, path: Path, overwrite: bool) -> Path:
    """Rename `part` to `path`, or to a free name like it if it exists and must stay.

    Returns the name. Never replaces a file unless `overwrite`, also one that appears meanwhile. One
    that cannot be replaced stays: Windows keeps open files, and Linux others' in shared folders.
    """
    if overwrite:
        with contextlib.suppress(PermissionError):
            os.replace(part, path)
            return path
    while True:
        try:
            _rename_to_new(part, path)
            return path
        except FileExistsError:
            path = free_name(path)


def _rename_to_new(part: Path, path: Path) -> None:
    """Rename; raises FileExistsError, in one step with the rename where there are hard links."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # exFAT and others have no hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.rename(part, path)
    else:
        os.unlink(part)


@contextlib.contextmanager
def claimed(hidden: Path) -> Iterator[bool]:
    """Lock a left file for the block; False if a run writes it now, or it may not be opened."""
    try:
        descriptor = os.open(hidden, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _claim(hidden: Path) -> int:
    """Make and lock an empty file; an old one of a killed run must be out of the way.

    Returns the file descriptor that holds the lock.
    """
    while True:
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        if not _locked(descriptor):
            os.close(descriptor)
            shown = shown_name(hidden)
            raise BadOutput(f"{shown} is being written by another run; wait, or give another name")
        with contextlib.suppress(FileNotFoundError):
            # Between opening and locking, its owner may have renamed or removed it.
            if os.path.samestat(os.fstat(descriptor), hidden.stat()):
                return descriptor
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock an open file until it is closed; False if another holds the lock."""
    try:
        import fcntl
    except ImportError:
        return _locked_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _locked_on_windows(descriptor: int) -> bool:
    import msvcrt

    os.lseek(descriptor, 1 << 40, os.SEEK_SET)  # a lock bars writing: beyond all that is written
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
