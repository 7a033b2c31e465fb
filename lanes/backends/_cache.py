"""The backends' cache: compiled models and timings, so that the next start is quick.

A file begins with the SHA-256 of the rest, so a damaged or truncated file is never used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path

from lanes import assets
from lanes.system.atomic import atomic_file

KEPT = 16
"""Files to keep per folder; adding one deletes the oldest."""
DIGEST_BYTES = hashlib.sha256().digest_size


def key(*parts: object) -> str:
    """The cache file name for a result that depends on all of `parts`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def digest(path: Path) -> str:
    """The SHA-256 of a file's content; an unchanged file is read only once."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache
def _digest(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(folder: str, name: str) -> bytes | None:
    """The content that `write` stored; None if there is no file or it is damaged."""
    try:
        content = (assets.cache_folder(folder) / name).read_bytes()
    except OSError:
        return None
    kept = content[DIGEST_BYTES:]
    return kept if hashlib.sha256(kept).digest() == content[:DIGEST_BYTES] else None


def write(folder: str, name: str, content: bytes) -> None:
    """Store `content` atomically.

    A read-only home or a full disk only slows down the next start, so failing is not an error.
    """
    with contextlib.suppress(OSError):
        place = assets.cache_folder(folder)
        with atomic_file(place / name, durable=False) as part:
            part.write_bytes(hashlib.sha256(content).digest() + content)
        _forget_the_oldest(place)


def _forget_the_oldest(folder: Path) -> None:
    by_age = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-KEPT]:
        path.unlink(missing_ok=True)
