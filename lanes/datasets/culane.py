"""CULane lane lines (Pan et al. 2018, arXiv:1712.06080): a text file of points beside each image.

Layout: `ROOT/list/{train,val}.txt` (or train_gt.txt, val_gt.txt) name the images. NAME.lines.txt
beside NAME.jpg has the points of a lane in each line: x y x y ... Points may lie beyond the frame.
Lines run on through gaps and behind vehicles, 10 px wide at picture width 1280 here. Off the lines
the truth is "background or drivable": the road itself is not labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lanes.datasets import _files, _shapes, _vector
from lanes.errors import BadDataset
from lanes.types import Measure, Sample

TASK = "lanes"
TARGETS = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
MEASURES = {"lane line": Measure(targets=(1,), classes=(2, 3), lines=True)}
TERMS = "CULane: for non-commercial research"
LISTS = {
    "train": ("train.txt", "train_gt.txt"),
    "val": ("val.txt", "val_gt.txt", "test.txt"),
}
ENDING = ".lines.txt"


@dataclass(frozen=True)
class Labelled:
    """An image and its file of lines."""

    image: Path
    lines: Path


class CuLane:
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK, TARGETS, MEASURES = TASK, TARGETS, MEASURES

    def __init__(self, frames: list[Labelled]) -> None:
        """Use `frames`."""
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self.frames[index]
        image = _files.read_image(frame.image)
        targets = np.zeros(image.shape[:2], np.uint8)
        _shapes.draw_lines(targets, read_lines(frame.lines), value=1)
        return Sample(image, targets)


def open(root: str | Path, split: str) -> CuLane:
    """Open `split`: "train", "choose" (a fixed tenth of train, by clip) or "val".

    Raises:
        UnknownName: there is no such split.
        BadDataset: a list, an image or a file of lines is missing.
    """
    _files.check_split(split)
    root = _files.folder(Path(root), "CULane's clips and lists")
    part = "val" if split == "val" else "train"
    listed = next((f for n in LISTS[part] if (f := root / "list" / n).is_file()), None)
    if listed is None:
        raise BadDataset(f"no file {root / 'list' / LISTS[part][0]}: it should list the images")
    rows = [line.split() for line in _files.read_text(listed).splitlines()]
    names = _files.choose_split([r[0].lstrip("/") for r in rows if r], split, root, _clip)
    frames = [_labelled(root / name, listed) for name in names]
    return CuLane(frames)


def looks_like(root: Path) -> bool:
    """Whether `root` has one of CULane's lists, and its first image has lines."""
    for name in (*LISTS["train"], *LISTS["val"]):
        file = root / "list" / name
        if file.is_file() and (words := _files.read_text(file).split()):
            return (root / words[0].lstrip("/")).with_suffix(ENDING).is_file()
    return False


def read_lines(path: Path) -> list[_shapes.Pixels]:
    """The lanes of a file as polylines (P, 2) of whole pixels; may lie beyond the frame."""
    with _vector.parsing(path, "a CULane file of lines"):
        lines = [
            _shapes.points_of(row.split())
            for row in _files.read_text(path).splitlines()
            if row.strip()
        ]
    return [line.round().astype(np.int32) for line in lines if len(line) > 1]


def _labelled(image: Path, listed: Path) -> Labelled:
    lines = image.with_suffix(ENDING)
    for path in (image, lines):
        if not path.is_file():
            raise BadDataset(f"{path} is missing, but {listed} names it: add it")
    return Labelled(image, lines)


def _clip(name: str) -> str:
    return str(PurePosixPath(name).parent)
