"""The table of a batch, `manifest.csv`: a row for each input that is done or failed.

A row is appended and on the disk before the next one begins, so a killed run leaves at most one
torn last row, which is dropped by the next run.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from lanes.errors import BadOutput
from lanes.system.atomic import atomic_file, make_folder, writing
from lanes.video.part import claimed

NAME, LOCK, UNFINISHED = "manifest.csv", ".lock", ".unfinished"
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Stamp:
    """What tells whether a file changed: size, time of change, and on request the SHA-256."""

    bytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""

    @classmethod
    def of(cls, path: Path, checksum: bool = False) -> Stamp:
        """The stamp of a file; a missing one has 0 bytes and time 0."""
        try:
            status = path.stat()
            digest = _digest(path) if checksum else ""
        except OSError:
            return cls()
        return cls(status.st_size, status.st_mtime_ns, digest)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Row:
    """The outcome for an input. `output` is a folder relative to that of the manifest.

    `state` is "done" or "failed", `seconds` the time its worker took, `options` those that differ
    from the defaults, `version` that of lanes; the last three are the input's `Stamp`.
    """

    input: str
    state: str
    frames: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    warnings: str = ""
    error: str = ""
    output: str = ""
    model: str = ""
    version: str = ""
    options: str = ""
    bytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""

    @property
    def stamp(self) -> Stamp:
        """The input as it was when it was labelled."""
        return Stamp(self.bytes, self.mtime_ns, self.sha256)


COLUMNS = tuple(field.name for field in fields(Row))
_NUMBERS: dict[str, Callable[[str], Any]] = {
    "frames": int,
    "seconds": float,
    "fps": float,
    "bytes": int,
    "mtime_ns": int,
}


def read(path: Path) -> dict[str, Row]:
    """The rows by input, the last one of each; a torn last row is left out.

    Raises:
        BadOutput: the file is no manifest of ours.
    """
    text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
    records = list(csv.reader(io.StringIO(text, newline="")))
    if records and (not text.endswith("\n") or len(records[-1]) != len(COLUMNS)):
        records.pop()
    header, rows = records[:1], records[1:]
    if header not in ([], [list(COLUMNS)]) or any(len(row) != len(COLUMNS) for row in rows):
        raise BadOutput(f"{path} is no manifest of this version of lanes; choose another folder")
    try:
        known = [_row(row) for row in rows]
    except ValueError as error:
        raise BadOutput(
            f"{path} is damaged ({error}); mend it, or remove it to begin anew"
        ) from error
    return {row.input: row for row in known}


def _row(texts: Sequence[str]) -> Row:
    named = zip(COLUMNS, texts, strict=True)
    return Row(**{name: _NUMBERS.get(name, str)(text) for name, text in named})


class Manifest:
    """The open manifest of a folder; made by `opened`. `rows` are those of the file, by input."""

    def __init__(self, folder: Path, rows: dict[str, Row]) -> None:
        self.folder, self.rows = folder, rows
        self._file: TextIO | None = None

    def begin(self, forget: Iterable[str]) -> None:
        """Rewrite the file without the rows of inputs that are done again; then `append`.

        Raises:
            BadOutput: the file cannot be written.
        """
        for name in forget:
            self.rows.pop(name, None)
        path = self.folder / NAME
        with atomic_file(path) as part:
            lines = [COLUMNS, *(asdict(row).values() for row in self.rows.values())]
            part.write_text("".join(map(_line, lines)), "utf-8", "surrogateescape")
        with writing(path):
            self._file = path.open("a", encoding="utf-8", errors="surrogateescape", newline="")

    def append(self, row: Row) -> None:
        """Add a row and wait until it is on the disk; raises `BadOutput`."""
        assert self._file is not None, "begin() comes first"
        with writing(self.folder / NAME):
            self._file.write(_line(asdict(row).values()))
            self._file.flush()
            os.fsync(self._file.fileno())
        self.rows[row.input] = row

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


@contextmanager
def opened(folder: Path) -> Iterator[Manifest]:
    """The manifest of a folder of results, for one run at a time.

    Makes the folder if it is missing, and removes what a killed run left unfinished in it.

    Raises:
        BadOutput: it holds other files, cannot be written, or another run writes it.
    """
    make_folder(folder)
    lock, unfinished = folder / LOCK, folder / UNFINISHED
    if not (lock.exists() or (folder / NAME).exists()) and any(folder.iterdir()):
        raise BadOutput(f"{folder} holds other files; choose a new or empty folder (-o)")
    with writing(lock):
        lock.touch()
    with claimed(lock) as free:
        if not free:
            raise BadOutput(f"{folder} is being written by another run; wait, or choose another")
        manifest = Manifest(folder, read(folder / NAME))
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            yield manifest
        finally:
            manifest.close()
            shutil.rmtree(unfinished, ignore_errors=True)


def _line(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
