"""Find and name the unfinished videos and tables that killed runs left."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import av

from lanes.errors import BadInput
from lanes.video.faststart import faststart
from lanes.video.part import MARK, claimed, copy_name, rescue, shown_name
from lanes.video.places import FORMATS


def left_over(folder: Path) -> list[Path]:
    """The unfinished files in `folder` that no run writes now; see `lanes.video.part`."""
    found = sorted(folder.glob(f".*{MARK}.*")) if folder.is_dir() else []
    return [hidden for hidden in found if _is_left(hidden)]


def _is_left(hidden: Path) -> bool:
    with claimed(hidden) as free:
        return free


def recover(folder: Path) -> tuple[list[Path], list[Path]]:
    """Name what killed runs left in `folder`; returns the named files and the removed ones.

    A file gets the name that it would have had, or a free one like it. Files that hold nothing to
    play or read are removed.

    Raises:
        BadInput: there is no such folder.
    """
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}; name one that holds recordings")
    named, removed = [], []
    for hidden in left_over(folder):
        with claimed(hidden) as free:
            if not free:
                continue
            path = rescue(hidden, shown_name(hidden), salvage)
            named += [path] if path else []
            removed += [] if path else [hidden]
    return named, removed


def salvage(hidden: Path) -> Path | None:
    """What to keep of a left file: text as it is, a video with its index in front.

    None if there is no line, or no frame that can be decoded.
    """
    kind = FORMATS.get(hidden.suffix.lower())
    if kind is None:
        return hidden if hidden.stat().st_size else None
    if not _plays(hidden):
        return None
    if kind != "matroska":
        with suppress(av.FFmpegError, OSError):
            faststart(hidden, copy_name(hidden), kind, lambda: math.inf)
            return copy_name(hidden)
    return hidden


def _plays(path: Path) -> bool:
    try:
        with av.open(str(path.absolute())) as container:
            return next(container.decode(video=0), None) is not None
    except (av.FFmpegError, IndexError):
        return False
