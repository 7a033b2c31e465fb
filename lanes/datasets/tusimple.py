"""TuSimple lane polylines (benchmark of 2017): highway frames, one line through dashes and cars.

Each line of a `label_data*.json` describes a frame: its path `raw_file`, pixel rows `h_samples`,
and for each lane its x in every row (below 0 = absent there). Two layouts are supported:

- a folder with `label_data*.json`, `clips/` and the lists `train.txt` and `val.txt` of `raw_file`s;
- the official one: `ROOT/train_set/{label_data*.json, clips/}` (or these in ROOT itself) is train,
  `test_label.json` (in ROOT or ROOT/test_set) with ROOT/test_set/clips is val.

Off the lines the truth is "background or drivable": the road itself is not labelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lanes.datasets import _files, _lane_targets, _shapes
from lanes.errors import BadDataset
from lanes.types import LabelMap, Measure, Sample, Size

TASK = "lanes"
# Lines continue through gaps and behind vehicles: a pixel on one is paint or an implied line.
TARGETS = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
MEASURES = {"lane line": Measure(targets=(1,), classes=(2, 3), lines=True)}
TERMS = "TuSimple lane benchmark: research use"


@dataclass(frozen=True)
class Labelled:
    """One frame and its lane lines."""

    image: Path
    lanes: tuple[_shapes.Pixels, ...]


class TuSimple:
    """Frames of one split; see `lanes.types.Dataset`."""

    TASK = TASK
    MEASURES: Mapping[str, Measure]

    def __init__(self, frames: list[Labelled], teachers: Path | None = None) -> None:
        """Use `frames` from `read_labels`; `teachers`: a cache that fills in the other classes."""
        self.frames = frames
        self.teachers = teachers
        # No figures with teachers: their table has other rows than the truth.
        self.TARGETS = TARGETS if teachers is None else _lane_targets.TARGETS
        self.MEASURES = MEASURES if teachers is None else {}

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self.frames[index]
        image = _files.read_image(frame.image)
        size = (image.shape[0], image.shape[1])
        line = drawn(frame.lanes, size)
        if self.teachers is None:
            return Sample(image, line)
        taught = _lane_targets.read(self.teachers, "tusimple", stem_of(frame.image), size)
        answer = _lane_targets.truth(line > 0)
        return Sample(image, _lane_targets.targets_of(taught.paint, answer, taught.drivable))

    def frames_by_stem(self) -> dict[str, Path]:
        """The image files by their names in the teachers' cache."""
        return {stem_of(frame.image): frame.image for frame in self.frames}


def open(root: str | Path, split: str, teachers: str | Path | None = None) -> TuSimple:
    """Open `split`: "train", "choose" (a fixed tenth of train, by clip) or "val".

    `teachers` is a cache written by lanes teach: samples then hold more targets, but no measures.

    Raises:
        UnknownName: there is no such split.
        BadDataset: files are missing or contradict each other.
    """
    _files.check_split(split)
    root = _files.folder(Path(root), "TuSimple's clips and labels")
    listed = root / ("val.txt" if split == "val" else "train.txt")
    frames = _of_list(root, listed) if listed.is_file() else _official(root, split)
    names = _files.choose_split(list(frames), split, root, _clip)
    for name in names:
        if not frames[name].image.is_file():
            raise BadDataset(f"{frames[name].image} is missing, but a label names it: add it")
    return TuSimple([frames[name] for name in names], Path(teachers) if teachers else None)


def looks_like(root: Path) -> bool:
    """Whether `root` has TuSimple's label files."""
    return any(next(root.glob(p), None) for p in ("label_data*.json", "train_set/label_data*.json"))


def stem_of(image: Path) -> str:
    """A unique name for a frame: `0313-1_6040_20` for clips/0313-1/6040/20.jpg."""
    return "_".join((*image.parts[-3:-1], image.stem))


def drawn(lanes: tuple[_shapes.Pixels, ...], size: Size) -> LabelMap:
    """Lane lines as targets (H, W), 1 = line; 10 px wide at picture width 1280."""
    targets = np.zeros(size, np.uint8)
    _shapes.draw_lines(targets, lanes, value=1)
    return targets


def read_labels(path: Path, clips: Path) -> dict[str, Labelled]:
    """The frames of a label file by `raw_file`, a path relative to `clips`."""
    frames: dict[str, Labelled] = {}
    for number, line in enumerate(_files.read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            name = str(PurePosixPath(values["raw_file"]))
            lanes = tuple(_polyline(xs, values["h_samples"]) for xs in values["lanes"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadDataset(
                f"{path}, line {number}, is no TuSimple label ({error}): wanted a JSON object with "
                "raw_file, h_samples and lanes, each lane as long as h_samples"
            ) from error
        frames[name] = Labelled(clips / name, tuple(lane for lane in lanes if len(lane) > 1))
    return frames


def _polyline(xs: list[Any], rows: list[Any]) -> _shapes.Pixels:
    points = [(x, y) for x, y in zip(xs, rows, strict=True) if x >= 0]
    return _shapes.points_of(points).round().astype(np.int32)


def _of_list(root: Path, listed: Path) -> dict[str, Labelled]:
    labels = _read_all(sorted(root.glob("label_data*.json")), root, root)
    names = [n.strip() for n in _files.read_text(listed).splitlines() if n.strip()]
    for name in names:
        if name not in labels:
            raise BadDataset(f"{listed} names {name}, which no label_data*.json in {root} labels")
    return {name: labels[name] for name in names}


def _official(root: Path, split: str) -> dict[str, Labelled]:
    if split != "val":
        folder = root / "train_set" if (root / "train_set").is_dir() else root
        return _read_all(sorted(folder.glob("label_data*.json")), folder, folder)
    files = [f / "test_label.json" for f in (root, root / "test_set")]
    clips = root / "test_set" if (root / "test_set").is_dir() else root
    return _read_all([f for f in files if f.is_file()][:1], clips, root)


def _read_all(files: list[Path], clips: Path, where: Path) -> dict[str, Labelled]:
    if not files:
        raise BadDataset(
            f"{where} holds no labels of this split: wanted label_data*.json with train.txt and "
            "val.txt, or the official train_set/label_data*.json and test_label.json"
        )
    return {k: v for file in files for k, v in read_labels(file, clips).items()}


def _clip(name: str) -> str:
    return str(PurePosixPath(name).parent)
