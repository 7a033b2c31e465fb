"""Files for results: default names, still pictures, text, tables, JSON.

Each file appears under its name only when it is whole.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import cv2
import numpy as np

from lanes.errors import BadOutput
from lanes.system import ending
from lanes.types import Frame
from lanes.video import Source
from lanes.video.images import SUFFIXES, find_images, is_glob, is_image
from lanes.video.opening import is_url
from lanes.video.part import Part


def default_output(given: str, source: Source) -> Path:
    """`<name>_lanes.mp4` beside the input; a picture keeps its suffix.

    For a camera or stream it is a time-stamped name in the current folder.
    """
    if is_url(given) or source.live:
        return Path(f"{source.name}_{time.strftime('%Y%m%d-%H%M%S')}.mp4")
    return output_beside(given)


def output_beside(given: str) -> Path:
    """`<name>_lanes.mp4` beside a file, a folder or the folder of a pattern."""
    path = Path(given).expanduser()
    if is_still(given):
        return path.with_name(f"{path.stem}_lanes{path.suffix}")
    if path.is_dir() or is_glob(given):
        folder = find_images(given)[0].absolute().parent
        return folder.with_name(f"{folder.name}_lanes.mp4")
    return path.with_name(f"{path.stem}_lanes.mp4")


def is_still(given: str) -> bool:
    """Whether the input is one picture, whose output is a picture too."""
    return not is_url(given) and is_image(Path(given)) and not is_glob(given)


class StillSink:
    """Writes one frame as a picture; the counterpart of `VideoSink` for a single image."""

    def __init__(self, path: Path, *, overwrite: bool, source: Path) -> None:
        """Raise `BadOutput` now if `path` cannot become a picture."""
        self.path = path
        self.warnings: list[str] = []
        if path.suffix.lower() not in SUFFIXES:
            raise BadOutput(f"{path} must end in one of {', '.join(SUFFIXES)}, as it is one image")
        if path.exists() and path.samefile(source):
            raise BadOutput(f"{path} is the input itself; give the output another name")
        check_new(path, overwrite)

    def write(self, frame: Frame) -> None:
        """Write the picture."""
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
    """A text file that grows; a context manager that leaves no half-written one behind.

    Ctrl-C keeps what was written so far, and so does a killed process: whole lines.
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
        try:
            self.file.write(text)
        except OSError as error:
            raise BadOutput(f"{self.path} cannot be written: {error.strerror}") from error

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
    """A table as spreadsheets open it: commas, UTF-8, names in the first line."""

    def __init__(self, path: Path, columns: Sequence[str], overwrite: bool) -> None:
        """Begin the table; raises `BadOutput`."""
        super().__init__(path, overwrite)
        self.columns = list(columns)
        self._write_line(self.columns)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows, a value for each column; raises `BadOutput`."""
        for row in rows:
            self._write_line([row[name] for name in self.columns])

    def _write_line(self, values: Sequence[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        self.write_text(line.getvalue())


def check_new(path: Path, overwrite: bool) -> None:
    """Raise `BadOutput` if a file cannot be made at `path`, or must not."""
    if path.is_dir():
        raise BadOutput(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not overwrite:
        raise BadOutput(f"{path} exists already; overwrite it (--overwrite) or give another name")
    if not path.absolute().parent.is_dir():
        raise BadOutput(f"there is no folder {path.parent}; make it first: mkdir -p {path.parent}")


def write_image(path: Path, image: np.ndarray[Any, Any], options: list[int] | None = None) -> None:
    """Write a picture in one step, so that it is never seen half; raises `BadOutput`."""

    def make(part: Path) -> None:
        encoded = cv2.imencode(path.suffix, image, options or [])[1]
        part.write_bytes(encoded.tobytes())

    write_file(path, make)


def check_place(path: Path | None, overwrite: bool, suffix: str = "") -> None:
    """Raise `BadOutput` if no file can be made at `path`, or must not; None is no file."""
    if path is None:
        return
    check_new(path, overwrite)
    if suffix and path.suffix.lower() != suffix:
        raise BadOutput(f"{path} must end in {suffix}, such as {path.stem}{suffix}")
    write_file(path, lambda part: part.touch(), only_try=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values`; raises `BadOutput`."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_file(path: Path, make: Callable[[Path], object], only_try: bool = False) -> None:
    """Have `make` write a file beside `path`, then name it so; raises `BadOutput`."""
    part = path.with_name(f".{path.stem[:50]}.part-{os.getpid()}{path.suffix}")
    try:
        make(part)
        if not only_try:
            os.replace(part, path)
    except (OSError, cv2.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadOutput(f"{path} cannot be written ({reason}): choose another place") from error
    finally:
        part.unlink(missing_ok=True)
