"""Thread counts for the stages of a video, so that they do not compete for cores.

Decoding, inference, and drawing with encoding run at the same time. By default, each of their
libraries starts at least one thread per core (FFmpeg cores + 1, x264 cores x 1.5, OpenCV and the
engine one per core), and they all slow each other down. The engine has the most work and keeps all
cores; the others get just enough threads to keep up with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2


@dataclass(frozen=True)
class Threads:
    """Threads of each stage except the engine, whose number is set when it is loaded.

    `opencv` is for resizing and drawing. 0 means the library's default.
    """

    decode: int = 0
    opencv: int = 0
    encode: int = 0


def share(cores: int) -> Threads:
    """The threads for a machine with `cores` cores.

    One core decodes 300 and encodes 150 frames of 1280x720 per second, but only 25 to 60 of
    3840x2160, so decoding and encoding get as many threads as there are cores. OpenCV's share is
    so small that more threads cost more than they gain. The limit of 4 each bounds the memory,
    since FFmpeg's threads hold frames.
    """
    return Threads(decode=_few(cores), opencv=1, encode=_few(cores))


def _few(threads: int) -> int:
    return min(max(threads, 1), 4)


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """Give OpenCV `count` threads in the `with` block (0: unchanged)."""
    before = cv2.getNumThreads()
    if count:
        cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
