"""What each image of a data set holds, read once, in parallel, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lanes import assets
from lanes.datasets import _files
from lanes.doctor.data.fingerprint import fingerprint
from lanes.errors import LanesError
from lanes.images.orientation import UPRIGHT
from lanes.images.read import orientation_of
from lanes.types import Dataset
from lanes.video.output_files import write_json

BANDS = 12
"""Rows of the picture, from the top, for which the classes are counted."""
VERSION = 1
"""Raise it when the facts change: cached ones are then read anew."""


@dataclass(frozen=True)
class ImageFacts:
    """One image: its size, and the pixels of each target id in each of `BANDS` bands.

    `orientation` is its EXIF orientation. `fault` says why it cannot be used; then the rest is
    empty.
    """

    name: str
    size: tuple[int, int] = (0, 0)
    bands: tuple[tuple[int, ...], ...] = ()
    fingerprint: str = ""
    orientation: int = UPRIGHT
    fault: str = ""

    @property
    def counts(self) -> tuple[int, ...]:
        """The pixels of each target id."""
        return tuple(map(sum, zip(*self.bands, strict=True)))


def gather(
    dataset: Dataset, tick: Callable[[int, int | None, str], None] = lambda *_: None
) -> list[ImageFacts]:
    """The facts of every image of `dataset`; `tick` shows progress."""
    files = _files.image_files(dataset)
    found = []
    # OpenCV lets other threads work while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for facts in pool.map(partial(_facts, dataset, files), range(len(dataset))):
            found.append(facts)
            tick(len(found), len(dataset), "")
    return found


def _facts(dataset: Dataset, files: list[Path], index: int) -> ImageFacts:
    name = str(files[index]) if files else str(index)
    try:
        sample = dataset[index]
        orientation = orientation_of(files[index]) if files else UPRIGHT
    except LanesError as error:
        return ImageFacts(name, fault=str(error))
    rows = len(dataset.TARGETS)
    bands = [
        tuple(np.bincount(band.ravel(), minlength=rows)[:rows].tolist())
        for band in np.array_split(sample.targets, BANDS)
    ]
    grey = cv2.cvtColor(sample.image, cv2.COLOR_BGR2GRAY)
    size = (sample.image.shape[0], sample.image.shape[1])
    return ImageFacts(name, size, tuple(bands), fingerprint(np.asarray(grey)), orientation)


def signature(root: Path) -> str:
    """A hash of the names, sizes and times of all files below `root`."""
    found = hashlib.blake2b(digest_size=16)
    for path in files_below(root):
        entry = path.stat() if path.exists() else path.lstat()  # a link may lead nowhere
        text = f"{path.relative_to(root)} {entry.st_size} {entry.st_mtime_ns}\n"
        found.update(text.encode(errors="surrogateescape"))
    return found.hexdigest()


def files_below(root: Path) -> Iterator[Path]:
    """All files below `root`, sorted; folders that are links are entered, but each folder once."""
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        inner[:] = sorted(n for n in inner if os.path.realpath(Path(folder, n)) not in seen)
        yield from (Path(folder, name) for name in sorted(names))


def load(root: Path, name: str) -> dict[str, list[ImageFacts]]:
    """The cached facts by split; empty if files of `root` changed since, or there are none."""
    try:
        values = json.loads(_cache_file(root, name).read_text(encoding="utf-8"))
    except (OSError, ValueError, LanesError):
        return {}
    if values["signature"] != signature(root) or values["version"] != VERSION:
        return {}
    return {split: [_of_dict(v) for v in listed] for split, listed in values["splits"].items()}


def save(root: Path, name: str, splits: Mapping[str, list[ImageFacts]]) -> None:
    """Keep the facts in the user's cache; where none can be written, they are read again."""
    values = {split: [asdict(facts) for facts in found] for split, found in splits.items()}
    try:
        path = _cache_file(root, name)
        write_json(path, {"version": VERSION, "signature": signature(root), "splits": values})
    except LanesError:
        return


def _cache_file(root: Path, name: str) -> Path:
    key = hashlib.blake2b(f"{name} {root.resolve()}".encode(), digest_size=12).hexdigest()
    return assets.cache_folder("data-check") / f"{key}.json"


def _of_dict(values: dict[str, Any]) -> ImageFacts:
    bands = tuple(tuple(band) for band in values["bands"])
    return ImageFacts(**{**values, "bands": bands, "size": tuple(values["size"])})
