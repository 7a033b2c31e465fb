"""Labels uploaded images; results are kept in memory, no file is left on disk."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import cv2
import numpy as np

from lanes.errors import BadInput
from lanes.images.read import read_picture
from lanes.pipeline.label_images import (
    CELLS,
    INSTANCES,
    LABELS,
    OVERLAY,
    SUMMARY,
    ImageOptions,
    Item,
    check_options,
    label_images,
)
from lanes.segmenter import Segmenter
from lanes.types import Image, PictureKind
from lanes.video.images import SUFFIXES

SIDE = 1600
"""Pixels of the longer side on the page; downloads are full size."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]


@dataclass(frozen=True)
class Picture:
    """An uploaded file: the user's name for it, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Shown:
    """One labelled image for the page, as JPEG files."""

    original: bytes
    overlay: bytes


@dataclass(frozen=True)
class Labelled:
    """The results: pictures by name, tables as CSV, all files as ZIP.

    `cells` is "" if the task counts nothing. `skipped` has a message for each skipped image.
    `other` is the kind of pictures that the model is not for, if there were some.
    """

    shown: dict[str, Shown]
    summary: str
    cells: str
    archive: bytes
    seconds: float
    skipped: list[str]
    other: PictureKind | None = None


def label(
    pictures: Sequence[Picture],
    segmenter: Segmenter,
    options: ImageOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Labelled:
    """Label `pictures` as `lanes-image` does.

    The files are kept in a temporary folder, under generated names, and removed afterwards.

    Raises:
        BadInput: no picture can be read, or an option is invalid.
        MissingDependency: measuring cells needs a package that is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="lanes-images-") as temporary:
        given, results = Path(temporary) / "in", Path(temporary) / "out"
        given.mkdir()
        items = [_written(picture, number, given) for number, picture in enumerate(pictures, 1)]
        check_options(items, segmenter.card, results, options)
        try:
            done = label_images(
                items, segmenter, results, options, lambda done, total: progress(done.seen, total)
            )
        except BadInput as error:
            raise BadInput(_named(str(error), items)) from error
        written = [item for item in items if (results / f"{item.stem}{OVERLAY}").exists()]
        cells = results / CELLS
        notes = done.skipped + done.damaged + done.warnings + done.doubtful
        return Labelled(
            shown={item.name: _shown(item, results) for item in written},
            summary=(results / SUMMARY).read_text("utf-8"),
            cells=cells.read_text("utf-8") if cells.exists() else "",
            archive=_zip(written, results),
            seconds=done.seconds,
            skipped=[_named(text, items) for text in notes],
            other=done.other,
        )


def _written(picture: Picture, number: int, folder: Path) -> Item:
    suffix = PurePath(picture.name).suffix.lower()
    stem = f"image_{number:04d}"
    path = folder / f"{stem}{suffix if suffix in SUFFIXES else '.png'}"
    path.write_bytes(picture.content)
    return Item(path, picture.name, stem)


def unique(pictures: Sequence[Picture]) -> list[Picture]:
    """The same pictures with unique names: a.png, a.png (2)."""
    seen: dict[str, int] = {}
    found = []
    for picture in pictures:
        seen[picture.name] = count = seen.get(picture.name, 0) + 1
        name = picture.name if count == 1 else f"{picture.name} ({count})"
        found.append(Picture(name, picture.content))
    return found


def _named(sentence: str, items: Sequence[Item]) -> str:
    """A message with the user's file names instead of the generated ones."""
    for item in items:
        sentence = sentence.replace(str(item.path), item.name)
    return sentence


def _shown(item: Item, results: Path) -> Shown:
    overlay = read_picture(results / f"{item.stem}{OVERLAY}")
    return Shown(jpeg(read_picture(item.path)), jpeg(overlay))


def jpeg(image: Image, side: int = SIDE) -> bytes:
    """The image as a JPEG file, shrunk if a side is longer than `side`."""
    scale = side / max(image.shape[:2])
    if scale < 1:
        size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image, QUALITY)[1].tobytes()


def _zip(items: Sequence[Item], results: Path) -> bytes:
    """All files, with pictures under the user's names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for table in (SUMMARY, CELLS):
            if (results / table).exists():
                archive.write(results / table, table, zipfile.ZIP_DEFLATED)
        for number, item in enumerate(items, 1):
            stem = PurePath(PurePath(item.name.replace("\\", "/")).name).stem
            for ending in (OVERLAY, LABELS, INSTANCES):
                path = results / f"{item.stem}{ending}"
                if path.exists():
                    archive.write(path, f"{number:03d}_{stem}{ending}")
    return made.getvalue()
