"""A video file that plays at any moment while it grows, and has its index in front at the end."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
from pathlib import Path
from typing import cast

import av
from av.container import OutputContainer
from av.container.core import Flags

from lanes.errors import BadOutput
from lanes.system import ending
from lanes.video.faststart import faststart
from lanes.video.part import Part, copy_name
from lanes.video.places import FORMATS
from lanes.video.recover import left_over, salvage

# While they grow, the files are made of fragments, so that what is on the disk plays at any moment.
# https://ffmpeg.org/ffmpeg-formats.html#Fragmentation
_FRAGMENTS = {
    "movflags": "+frag_keyframe+delay_moov+default_base_moof",  # delay_moov: edit lists, and AC-3
    "frag_duration": "200000",  # microseconds
}
_CLUSTERS = {"cluster_time_limit": "200"}  # milliseconds
# Neither FFmpeg's buffer, nor waiting for sound that has ended, may hold back pictures.
_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "500000"}
_TO_COPY = 0.4
"""Seconds that must be left, once the process was asked to end, to copy the file."""


class GrowingFile:
    """The file of `path`, hidden until it is finished; see `lanes.video.part`.

    `container` is None unless it is open. `warnings` gets a sentence for what a killed run left
    there, and for what is not as it should be.

    Raises:
        BadOutput: another run writes this output now.
        OSError: there can be no file.
    """

    def __init__(self, path: Path, overwrite: bool, warnings: list[str]) -> None:
        self._path, self._warnings = path, warnings
        self._kind = FORMATS[path.suffix.lower()]
        self.container: OutputContainer | None = None
        self._part = Part(path, overwrite, salvage)
        self._tell_of_killed_runs(path.absolute().parent)

    def _tell_of_killed_runs(self, folder: Path) -> None:
        if self._part.recovered:
            self._warnings.append(
                f"an earlier run was killed: its video is {self._part.recovered} now"
            )
        if others := [left for left in left_over(folder) if left != self._part.hidden]:
            self._warnings.append(
                f"{folder} holds {len(others)} unfinished files of killed runs: "
                f"name them by lanes recover {shlex.quote(str(folder))}"
            )

    def open(self) -> OutputContainer:
        """Empty the file; returns its container, for streams to be added."""
        options = _AT_ONCE | (_CLUSTERS if self._kind == "matroska" else _FRAGMENTS)
        self._part.file.truncate(0)
        self._part.file.seek(0)
        self.container = av.open(self._part.file, "w", format=self._kind, container_options=options)
        return self.container

    def begin(self, container: OutputContainer) -> None:
        """Write the header, after the last stream was added."""
        container.start_encoding()
        # Switched off by delay_moov, but AAC of transport streams needs its filter.
        container.flags |= cast(int, Flags.auto_bsf.value)
        self._part.head = self._part.hidden.stat().st_size

    def finish(self, container: OutputContainer) -> Path:
        """Complete the file and name it, in less time if a signal came; returns the name.

        Raises:
            av.FFmpegError, OSError: it cannot be completed.
        """
        container.close()
        if self._part.file.failed:
            raise self._part.file.failed
        plain = self._plain()
        if ending.seconds_left() > _TO_COPY:
            _to_disk(plain or self._part.hidden)
        path = self._part.name(plain)
        if path != self._path:
            kept = (
                "cannot be replaced"
                if self._part.overwrite
                else "was made by another program meanwhile"
            )
            self._warnings.append(f"{self._path} {kept}: see {path}")
        self.container = None
        return path

    def _plain(self) -> Path | None:
        """A plain MP4 or MOV file with its index in front; None if it cannot be made."""
        copy = copy_name(self._part.hidden)
        if self._kind == "matroska":
            return None
        try:
            if faststart(self._part.hidden, copy, self._kind, _to_copy):
                return copy
            why = "there was no time"
        except (av.FFmpegError, OSError) as error:
            why = error.strerror or str(error)
        self._warnings.append(f"{self._path} plays, but its index is not in front ({why})")
        return None

    def keep(self) -> None:
        """Name the file as it is, if it holds anything."""
        self._part.keep()

    def close(self) -> None:
        """Close the container, whatever it holds."""
        container, self.container = self.container, None
        if container is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                container.close()

    def remove(self) -> None:
        """Remove the file; does nothing once it has its final name."""
        self.close()
        self._part.remove()

    def failure(self, error: av.FFmpegError | OSError) -> BadOutput:
        """Remove the file and return the error to raise."""
        folder = self._path.absolute().parent
        free = shutil.disk_usage(folder).free // 2**20 if folder.is_dir() else 0
        self.remove()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return BadOutput(
                f"{self._path} cannot be written: the disk is full ({free} MiB free in {folder}); "
                "free some space or choose another folder; the unfinished file was removed"
            )
        return BadOutput(
            f"{self._path} cannot be written: {error.strerror}; the unfinished file was removed"
        )


def _to_copy() -> float:
    """Seconds for the copy; infinite unless a signal came."""
    return ending.seconds_left() - _TO_COPY


def _to_disk(path: Path) -> None:
    """Have the system write all of the file, so that a power cut after its renaming is harmless."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
