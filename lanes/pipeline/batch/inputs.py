"""Finds the files of a batch, and the place of each one's results."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lanes.errors import BadInput
from lanes.video.images import VIDEO_SUFFIXES, is_glob, is_image
from lanes.video.opening import existing, local_path

LISTS = (".csv", ".txt")
"""Suffixes of files that list inputs."""
COLUMN = "input"
"""The column of a CSV list that holds the paths."""


@dataclass(frozen=True)
class Found:
    """Input files, absolute, without duplicates; their results mirror the tree under `root`."""

    root: Path
    files: list[Path]


def find(inputs: Sequence[str], outdir: Path) -> Found:
    """The videos and images that `inputs` name: files, folders with all below, patterns, lists.

    A list is a text file with a path a line, or a CSV file with a column "input"; its paths are
    relative to its own folder. Hidden files, results of `lanes video` (`NAME_lanes.mp4`) and what
    lies in `outdir` are left out of folders.

    Raises:
        BadInput: an input does not exist or names no video or image, or lies in `outdir`.
    """
    within = _absolute(outdir)
    roots, files = [], {}
    for given in inputs:
        root, found = _found(given, within)
        if not found:
            raise BadInput(f"{given} holds no videos or images; name a folder or file that does")
        roots.append(root)
        files.update(dict.fromkeys(found))
    if inner := next((path for path in files if path.is_relative_to(within)), None):
        raise BadInput(f"{inner} lies in the folder of results; choose another one (-o)")
    return Found(Path(os.path.commonpath(roots)), list(files))


def _found(given: str, outdir: Path) -> tuple[Path, list[Path]]:
    """The folder that an input stands for, and its files."""
    local = local_path(given)
    if local is None:
        raise BadInput(f"{given!r} is no file; for a camera or stream use lanes video")
    if is_glob(str(local)):
        found = [_absolute(path) for path in sorted(glob.glob(str(local), recursive=True))]
        return _fixed_part(local), [path for path in found if path.is_file() and _is_media(path)]
    path = _absolute(existing(local))
    if path.is_dir():
        return path, list(_walk(path, outdir))
    if path.suffix.lower() in LISTS:
        listed = [_absolute(path.parent / line) for line in _listed(path)]
        return Path(os.path.commonpath([each.parent for each in listed] or [path])), listed
    return path.parent, [path]


def _absolute(path: str | Path) -> Path:
    """The path from the root, without "..", links kept."""
    return Path(os.path.abspath(path))


def _fixed_part(pattern: Path) -> Path:
    """The folder of a pattern down to its first wildcard."""
    fixed = _absolute(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return fixed


def _walk(folder: Path, outdir: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=False):
        here = Path(place)
        folders[:] = sorted(n for n in folders if n[0] != "." and here / n != outdir)
        yield from (here / name for name in sorted(names) if _is_media(here / name))


def _is_media(path: Path) -> bool:
    video = path.suffix.lower() in VIDEO_SUFFIXES and not path.stem.endswith("_lanes")
    return not path.name.startswith(".") and (video or is_image(path))


def _listed(path: Path) -> list[str]:
    """The paths in a list; blank lines and lines that begin with # are skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); give another list") from error
    lines = text.split("\n")
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if COLUMN not in (rows.fieldnames or ()):
            raise BadInput(f"{path} has no column {COLUMN!r}; name its column of paths so")
        lines = [row[COLUMN] or "" for row in rows]
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def place(path: Path, root: Path, known: Mapping[str, str], taken: Iterable[str] = ()) -> str:
    """The folder of an input's results, relative to the folder of all results.

    It is the input's own path below `root`, so no two inputs share one. An input of an earlier run
    (`known`: input to folder) keeps its folder; where that of a new one is `taken`, it is numbered.
    """
    if earlier := known.get(str(path)):
        return earlier
    relative = path.relative_to(root)
    free, number = relative, 1
    while str(free) in taken:
        number += 1
        free = relative.with_name(f"{relative.name}_{number}")
    return str(free)
