"""Which places a result may be written to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lanes.errors import BadOutput
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
