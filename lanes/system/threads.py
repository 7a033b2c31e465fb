"""How many threads each stage of a video may have, so that the stages do not fight over the cores.

Decoding, inference, and drawing with encoding run at the same time. Left alone, each of their
libraries starts a thread a core or more (FFmpeg cores + 1, x264 cores x 1.5, OpenCV and the engine
one a core), and all wait for one another. The engine has the most work and keeps all cores; the
others get as few threads as keep up with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2


@dataclass(frozen=True)
class Threads:
    """Threads of the stages beside the engine, which is given its own when it is loaded.

    `opencv` are those of resizing and drawing. 0 leaves a number to the library.
    """

    decode: int = 0
    opencv: int = 0
    encode: int = 0


def share(cores: int) -> Threads:
    """The threads for a machine of `cores`.

    One core decodes 300 and encodes 150 pictures of 1280x720 a second, so that a second one for
    decoding matters where the engine is faster than that: with eight cores. OpenCV's part is so
    small that sharing it out costs more than it brings. At most 4 each, since FFmpeg's threads hold
    pictures: that bounds the memory. On 2 cores no division was faster than another by over 5 %.
    """
    return Threads(decode=_few(cores // 4), opencv=1, encode=_few(cores))


def _few(threads: int) -> int:
    return min(max(threads, 1), 4)


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """Let OpenCV have `count` threads in the `with` block (0: as it was)."""
    before = cv2.getNumThreads()
    if count:
        cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
