"""Images as the frames of a source: a folder, a glob, a list, or one image."""

from __future__ import annotations

import contextlib
import glob
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from math import ceil
from pathlib import Path

import cv2

from lanes.colour import default_colour, from_bgr
from lanes.errors import AfterEnd, BadInput
from lanes.images.read import read_picture
from lanes.types import Frame, Image
from lanes.video.base import Cut, Source
from lanes.video.opening import existing

VIDEO_SUFFIXES = (
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip
"""What makes a file of a folder a video; a file that is named itself may have any suffix."""
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


DEPTH = 16
"""Bits of 16-bit pictures: one scale for all, so that brightness is steady in a video."""


def is_image(path: Path) -> bool:
    """Whether the file has an image suffix."""
    return path.suffix.lower() in SUFFIXES


def videos_in(folder: Path) -> list[Path]:
    """The files of `folder` with the suffix of a video, in natural order."""
    names = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
    return sorted((path for path in names if not path.name.startswith(".")), key=_natural)


def is_glob(text: str) -> bool:
    """Whether `text` is a pattern for file names (and not an existing file)."""
    return glob.has_magic(text) and not Path(text).exists()


class ImagesSource(Source):
    """The images of a folder, a glob, a list, or one image, each a frame of its own size.

    Folders and globs are in natural order (`img2` before `img10`); a list keeps its order. A
    frame's `name` is its file's stem. Frames come at `rate`; all have the colour of the first.
    Pictures are read by `lanes.images.read`; unreadable ones are skipped and counted.

    Raises:
        BadInput: there is no image, or no readable one.
    """

    def __init__(
        self,
        images: str | Path | Sequence[str | Path],
        start: float | None = None,
        end: float | None = None,
        max_frames: int | None = None,
        *,
        rate: Fraction = Fraction(25),
        seconds: float | None = None,
    ) -> None:
        cut = Cut.of(start, end, max_frames, seconds)
        paths = find_images(images)
        first = ceil(cut.start * rate)
        end_of_cut = cut.stop(first / rate)
        stop = None if end_of_cut is None else ceil(end_of_cut * rate)
        self._numbered = list(enumerate(paths))[first:stop]
        if not self._numbered:
            raise AfterEnd(
                f"the start, {start:g} s, is after the last of {len(paths)} images at {rate} "
                "images a second; give an earlier start"
            )
        self.rate, self.time_base = rate, 1 / rate
        self.name = _name(images, paths)
        self.warnings = _same_names(paths) + _left_out(images, paths)
        self.frames = len(self._numbered[: cut.max_frames])
        self.duration, self.frames_exact = float(self.frames / rate), True
        self._frames = self._begin(cut.max_frames)

    def _begin(self, max_frames: int | None) -> Iterator[Frame]:
        images = self._readable()
        first = next(images, None)
        if first is None:
            raise BadInput(
                f"none of the {len(self._numbered)} images can be read; the first was "
                f"{self.warnings[-len(self._numbered)]}"
            )
        self.first = first[0]
        height, width = first[2].shape[:2]
        self.size, self.colour = (height, width), default_colour(height)
        return self._read(islice(chain([first], images), max_frames))

    def _readable(self) -> Iterator[tuple[int, Path, Image]]:
        for number, path in self._numbered:
            try:
                yield number, path, read_picture(path, DEPTH)
            except BadInput as error:
                self.lost += 1
                self.warnings.append(f"skipped: {error}")

    def _read(self, images: Iterator[tuple[int, Path, Image]]) -> Iterator[Frame]:
        for index, (number, path, image) in enumerate(images):
            planes = from_bgr(image, self.colour)
            # The network gets the image itself, not its colours reduced to 4:2:0.
            yield Frame(
                planes,
                self.colour,
                index,
                number,
                self.time_base,
                path.stem,
                image=image,
                path=path,
            )


def find_images(images: str | Path | Sequence[str | Path]) -> list[Path]:
    """The image files that `images` refers to, in order.

    Raises:
        BadInput: there are no images.
    """
    if not isinstance(images, str | Path):
        if not images:
            raise BadInput("the list of images is empty; give at least one")
        return [existing(path) for path in images]
    if is_glob(str(images)):
        found = [Path(name) for name in glob.glob(str(images), recursive=True)]
        return _images_among(found, f"{images} fits")
    path = existing(images)
    return _images_among(list(path.iterdir()), f"{path} holds") if path.is_dir() else [path]


def _images_among(paths: list[Path], where: str) -> list[Path]:
    chosen = [path for path in paths if is_image(path) and not path.name.startswith(".")]
    if chosen:
        return sorted(chosen, key=_natural)
    if videos := sorted(p for p in paths if p.suffix.lower() in VIDEO_SUFFIXES):
        raise BadInput(f"{where} no image but {len(videos)} videos, such as {videos[0]}; name one")
    others = f"{len(paths)} other file{'s' * (len(paths) > 1)}" if paths else "no file at all"
    raise BadInput(f"{where} {others} and no image; images end in {', '.join(SUFFIXES)}")


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """A key that sorts numbers in a path by value."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _name(images: str | Path | Sequence[str | Path], paths: list[Path]) -> str:
    """The folder's name for several images, the file's stem for one."""
    if len(paths) == 1 and (not isinstance(images, str | Path) or not Path(images).is_dir()):
        return paths[0].stem
    return paths[0].absolute().parent.name or "images"


def _same_names(paths: list[Path]) -> list[str]:
    twice = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if not twice:
        return []
    return [f"several images are called {twice[0]}: their output files overwrite each other"]


def _left_out(images: str | Path | Sequence[str | Path], paths: list[Path]) -> list[str]:
    """Warnings for what is not labelled: videos beside the images, further pictures in a file."""
    warnings = []
    folder = isinstance(images, str | Path) and Path(images).is_dir()
    if folder and (videos := videos_in(Path(str(images)))):
        warnings.append(
            f"{images} also holds {len(videos)} videos, such as {videos[0].name}, which are "
            "skipped; give their names to label them"
        )
    for path in paths[:1]:
        with contextlib.suppress(cv2.error):
            if (count := cv2.imcount(str(path))) > 1:
                warnings.append(
                    f"{path} holds {count} pictures; only the first of each file is used"
                )
    return warnings
