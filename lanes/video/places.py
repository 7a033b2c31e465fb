"""Which places a result may be written to: never where something is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lanes.errors import BadInput, BadOutput
from lanes.system.atomic import check_no_device
from lanes.video.images import find_images, is_glob, is_image
from lanes.video.opening import PLAYLISTS, local_path, playlist_files
from lanes.video.part import hidden_name

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats of videos, by suffix."""


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """Return `path` if a video can be written there.

    Raises:
        BadOutput: the suffix is not a video's, the folder is missing or not writable, the file
            exists and `overwrite` is False, or it is one of the `inputs`.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise BadOutput(f"{path} must end in one of {', '.join(FORMATS)}, such as {path.stem}.mp4")
    try:
        _check_place(path, overwrite, inputs)
    except BadOutput:
        raise
    except OSError as error:
        raise BadOutput(
            f"cannot write in {path.parent} ({error.strerror}); choose another folder or name"
        ) from error
    return path


def _check_place(path: Path, overwrite: bool, inputs: Iterable[str | Path]) -> None:
    if path.is_dir():
        raise BadOutput(f"{path} is a folder; give the name of a file in it")
    check_no_device(path)
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise BadOutput(f"{path} is the input itself; give the output another name")
    if path.exists() and not overwrite:
        raise BadOutput(f"{path} exists already; overwrite it (--overwrite) or give another name")
    if not path.parent.is_dir():
        raise BadOutput(f"there is no folder {path.parent}; create it: mkdir -p {path.parent}")
    probe = hidden_name(path)
    probe = probe.with_name(f"{probe.stem}-{os.getpid()}")
    probe.open("xb").close()
    probe.unlink()


def files_read(given: str | Path) -> list[Path]:
    """The files that are read for an input: itself, or all images of a folder or pattern."""
    path = local_path(given)
    if path is None:
        return []
    with suppress(BadInput, OSError):  # reported when it is opened
        if path.is_dir() or is_glob(str(path)):
            return find_images(path)
        if path.suffix.lower() in PLAYLISTS:
            return [path, *playlist_files(path)]
    return [path]


def check_apart(
    read: Iterable[str | Path], files: Sequence[Path], folder: Path | None = None
) -> None:
    """Check that results replace nothing that is read, nor one another.

    `read` are inputs, `files` the results, `folder` one for images. All are compared as the files
    that they are on the disk, whatever their names.

    Raises:
        BadOutput: two of them are the same.
    """
    sources = [path for given in read for path in files_read(given)]
    known = {_identity(path): path for path in sources}
    for path in files:
        place = _identity(path)
        if place in known:
            raise BadOutput(_same(path, known[place], known[place] in sources))
        known[place] = path
    holders = {_identity(path.absolute().parent) for path in sources if is_image(path)}
    if folder is not None and _identity(folder) in holders:
        raise BadOutput(f"{folder} holds the images that are read; name another folder for --masks")


def _same(path: Path, other: Path, is_read: bool) -> str:
    if is_read:
        return f"{path} is the input itself ({other}); give the output another name"
    return f"two results would be written to {path}; give each a name of its own"


def _identity(path: Path) -> tuple[int, int] | Path:
    """What tells a file from all others: device and inode, or its place if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return path.absolute().parent.resolve() / path.name
    return status.st_dev, status.st_ino
