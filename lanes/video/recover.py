"""Find and name the unfinished videos and tables that killed runs left."""

from __future__ import annotations

from pathlib import Path

import av

from lanes.errors import BadInput
from lanes.video.part import MARK, claimed, rescue, shown_name
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
            path = rescue(hidden, shown_name(hidden), worth_keeping)
            named += [path] if path else []
            removed += [] if path else [hidden]
    return named, removed


def worth_keeping(path: Path) -> bool:
    """Whether a left file holds a frame that can be decoded, or text."""
    if path.suffix.lower() not in FORMATS:
        return path.stat().st_size > 0
    try:
        with av.open(str(path.absolute())) as container:
            return next(container.decode(video=0), None) is not None
    except (av.FFmpegError, IndexError):
        return False
