"""Writes result files: images, text, CSV tables, JSON; also their default names.

Each file is written under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import cv2
import numpy as np

from lanes.errors import BadOutput
from lanes.system import ending
from lanes.system.atomic import atomic_file, check_no_device, part_of, writing
from lanes.types import Frame
from lanes.video import Source
from lanes.video.images import SUFFIXES, find_images, is_glob, is_image
from lanes.video.opening import is_url, local_path
from lanes.video.part import Part

LONGEST_STEM = 200
"""Bytes; file systems allow 255 for a whole name."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a formula."""


def default_output(given: str, source: Source) -> Path:
    """`<name>_lanes.mp4` next to the input; an image keeps its suffix.

    For a camera or stream: a name with a time stamp, in the current folder.
    """
    if local_path(given) is None or source.live:
        return Path(f"{source.name}_{time.strftime('%Y%m%d-%H%M%S')}.mp4")
    return output_beside(given)


def output_beside(given: str) -> Path:
    """`<name>_lanes.mp4` beside a file, a folder or the folder of a pattern."""
    path = Path(given).expanduser()
    if is_still(given):
        return path.with_name(f"{_short(path.stem)}_lanes{path.suffix}")
    if path.is_dir() or is_glob(given):
        folder = find_images(given)[0].absolute().parent
        return folder.with_name(f"{_short(folder.name)}_lanes.mp4")
    return path.with_name(f"{_short(path.stem)}_lanes.mp4")


def _short(stem: str) -> str:
    """`stem`, cut where the name of its output, or of the part of it, would be too long."""
    while len(os.fsencode(stem)) > LONGEST_STEM:
        stem = stem[:-1]
    return stem


def is_still(given: str) -> bool:
    """Whether the input is a single image, so that the output is an image too."""
    return not is_url(given) and is_image(Path(given)) and not is_glob(given)


class StillSink:
    """Writes one frame as an image; the counterpart of `VideoSink` for a single image."""

    def __init__(self, path: Path, *, overwrite: bool, source: Path) -> None:
        """Check `path`; raises `BadOutput` if no image can be written there."""
        self.path = path
        self.warnings: list[str] = []
        if path.suffix.lower() not in SUFFIXES:
            raise BadOutput(
                f"{path} must end in one of {', '.join(SUFFIXES)}, as the input is one image"
            )
        if path.exists() and path.samefile(source):
            raise BadOutput(f"{path} is the input itself; give the output another name")
        check_new(path, overwrite)

    def write(self, frame: Frame, cut: bool = False) -> None:
        """Write the image, `cut` or not; raises `BadOutput`."""
        write_image(self.path, frame.bgr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Nothing is open between writes."""


class TextFile:
    """A text file, written line by line; as a context manager it removes the file on errors.

    After Ctrl-C, or if the process is killed, the lines written so far are kept.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        """Open a temporary file beside `path`; raises `BadOutput`."""
        check_new(path, overwrite)
        self.path = path
        try:
            self.part = Part(path, overwrite)
            self.file: TextIO = self.part.hidden.open("w", 1, encoding="utf-8", newline="")
        except BadOutput:
            raise
        except OSError as error:
            raise BadOutput(f"{path} cannot be written ({error.strerror}): name another") from error

    def write_text(self, text: str) -> None:
        """Write; raises `BadOutput`."""
        with writing(self.path):
            self.file.write(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self.file.close()
            if kind is None or issubclass(kind, KeyboardInterrupt) or ending.asked():
                self.path = self.part.name()
        except OSError as failure:
            raise BadOutput(f"{self.path} cannot be written: {failure.strerror}") from failure
        finally:
            self.part.remove()


class CsvFile(TextFile):
    """A table as spreadsheets open it: commas, UTF-8 without a BOM, names in the first line.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """

    def __init__(self, path: Path, columns: Sequence[str], overwrite: bool) -> None:
        """Open the file and write the column names; raises `BadOutput`."""
        super().__init__(path, overwrite)
        self.columns = list(columns)
        self.write_text(_line(self.columns))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows, with a value for each column; raises `BadOutput`."""
        for row in rows:
            self.write_text(self.line_of(row))

    def line_of(self, row: Mapping[str, Any]) -> str:
        """The line of a row, as `write` writes it."""
        return _line([row[name] for name in self.columns])


def _line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(no_formula, values))
    return line.getvalue()


def no_formula(value: Any) -> Any:
    """`value`, so that no file name can run as a formula (OWASP, "CSV injection")."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def check_new(path: Path, overwrite: bool) -> None:
    """Raise `BadOutput` if `path` is no file, exists already, or has no parent folder."""
    if path.is_dir():
        raise BadOutput(f"{path} is a folder; give a file name")
    check_no_device(path)
    if path.exists() and not overwrite:
        raise BadOutput(f"{path} exists already; overwrite it (--overwrite) or give another name")
    if not path.absolute().parent.is_dir():
        raise BadOutput(
            f"there is no folder {path.parent}; create it first: mkdir -p {path.parent}"
        )


def write_image(path: Path, image: np.ndarray[Any, Any], options: list[int] | None = None) -> None:
    """Write an image atomically; raises `BadOutput`."""
    try:
        encoded = cv2.imencode(path.suffix, image, options or [])[1]
    except cv2.error as error:
        raise BadOutput(f"{path} cannot be written ({error}): choose another place") from error
    with atomic_file(path, durable=False) as part:
        part.write_bytes(encoded.tobytes())


def check_place(path: Path | None, overwrite: bool, suffix: str = "") -> None:
    """Raise `BadOutput` if `path` cannot be written, or may not be; accepts None."""
    if path is None:
        return
    check_new(path, overwrite)
    if suffix and path.suffix.lower() != suffix:
        raise BadOutput(f"{path} must end in {suffix}, such as {path.stem}{suffix}")
    part = part_of(path)
    with writing(path):
        part.touch()
        part.unlink()


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values` as JSON, atomically; raises `BadOutput`."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write a text file in UTF-8, atomically; raises `BadOutput`."""
    with atomic_file(path, durable) as part:
        part.write_text(text, encoding="utf-8")
