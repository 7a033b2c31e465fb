"""The data set that all formats of labelled shapes share.

A format's file turns its export into `Labelled` images by part ("train", "val", "test", or `WHOLE`
without split folders). Names of classes become classes of the task by `[names]` in labels.toml.
Shapes are drawn in the order of the file, but lines of the task above areas, on which they lie.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np

from lanes.datasets import _files, _label_table, _pairs, _rules
from lanes.datasets._label_table import LabelTable
from lanes.datasets._pairs import WHOLE
from lanes.datasets._shapes import Shape
from lanes.errors import BadDataset, LanesError
from lanes.types import Measure, Sample, Size

TASK = _rules.DEFAULT_TASK
TARGETS = np.vstack([np.eye(4, dtype=bool), np.ones((1, 4), bool)])
MEASURES: Mapping[str, Measure] = {
    "drivable": Measure(targets=(1, 2, 3), classes=(1, 2, 3)),
    "lane line": Measure(targets=(2,), classes=(2,), lines=True),
    "line": Measure(targets=(2, 3), classes=(2, 3), lines=True),
}
TERMS = "the user's own images"


@dataclass(frozen=True)
class Labelled:
    """An image and its shapes; `size` is what the labels state, None if they do not.

    `relative` shapes have coordinates 0..1 of the picture's width and height.
    """

    image: Path
    shapes: tuple[Shape, ...]
    size: Size | None = None
    relative: bool = False


Parts: TypeAlias = Mapping[str, Sequence[Labelled]]


class Shapes:
    """Images of one split; see `lanes.types.Dataset`."""

    def __init__(self, frames: list[Labelled], names: list[str], table: LabelTable) -> None:
        """Use `frames`; shapes named `names[k]` are drawn with the id 1 + k of `table`."""
        self.frames, self.table = frames, table
        self.ids = {name: 1 + k for k, name in enumerate(names)}
        self.TASK, self.TARGETS, self.MEASURES = table.task, table.targets, table.measures
        self._thin = {value for value, row in table.rows.items() if _is_line(row, table)}

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self.frames[index]
        image = _files.read_image(frame.image)
        size = (image.shape[0], image.shape[1])
        if frame.size:
            _files.check_size(frame.size, f"the labels' picture of {frame.image.name}", size)
        return Sample(image, self.table.convert(self._drawn(frame, size), frame.image))

    def _drawn(self, frame: Labelled, size: Size) -> _files.Ids:
        """The ids of the names (H, W), 0 where there is no shape."""
        ids = np.zeros(size, np.uint8)
        factors = (float(size[1]), float(size[0])) if frame.relative else (1.0, 1.0)
        for shape in sorted(frame.shapes, key=lambda shape: self.ids[shape.name] in self._thin):
            shape.scaled(factors).draw(ids, self.ids[shape.name])
        return ids


def open_split(root: str | Path, split: str, read: Callable[[Path], Parts]) -> Shapes:
    """Open `split` ("train", "choose" or "val") of what `read` finds in `root`.

    Raises:
        UnknownName: there is no such split.
        BadDataset: files are missing or damaged, the split is empty, or a name has no meaning.
    """
    _files.check_split(split)
    root = _files.folder(Path(root), "labelled images")
    parts = {part: frames for part, frames in read(root).items() if frames}
    if not parts:
        raise BadDataset(f"{root} holds no labelled image: export it again")
    names = sorted({s.name for frames in parts.values() for f in frames for s in f.shapes})
    table = _label_table.of_names(root, names, judges=split != "train")
    part = _pairs.part_of(parts, split, root)
    by_name = _by_name(parts[part], root)
    chosen = _pairs.divided(list(by_name), split, part, parts, root)
    return Shapes([by_name[name] for name in chosen], names, table)


def _by_name(frames: Iterable[Labelled], root: Path) -> dict[str, Labelled]:
    """The frames by their file's stem, or by their path if two share a stem."""
    frames = list(frames)
    stems = {frame.image.stem: frame for frame in frames}
    return stems if len(stems) == len(frames) else {str(f.image): f for f in frames}


def _is_line(row: int, table: LabelTable) -> bool:
    return any(m.lines and row in m.targets for m in table.measures.values())


def part_named(text: str) -> str:
    """The part that a file or folder name states ("instances_val2017" -> "val"), or `WHOLE`."""
    words = "".join(c if c.isalpha() else " " for c in text.lower()).split()
    return next((_pairs.SPLITS[word] for word in words if word in _pairs.SPLITS), WHOLE)


def files_in(root: Path, pattern: str, depth: int = 3) -> Iterator[Path]:
    """The files of `root` that match `pattern`, at most `depth` folders down, sorted."""
    for level in range(depth + 1):
        yield from sorted(p for p in root.glob("*/" * level + pattern) if p.is_file())


def find_image(name: str, folders: Iterable[Path], label_file: Path) -> Path:
    """The image that a label file calls `name`; raises `BadDataset` if no folder has it.

    `name` may contain folders of another machine: then its last parts count. The file's name may
    differ in case and in Unicode's form.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    listed = list(dict.fromkeys(folders))
    places = [f.joinpath(*parts[start:]) for f in listed for start in range(len(parts))]
    for find in (_as_named, _as_meant):
        if found := next(filter(None, map(find, places)), None):
            return found
    where = ", ".join(map(str, listed))
    raise BadDataset(f"{label_file} labels {name}, which is missing in {where}: add the image")


def _as_named(path: Path) -> Path | None:
    return path if path.is_file() else None


def _as_meant(path: Path) -> Path | None:
    """The file whose name differs from that of `path` in case or Unicode's form only."""
    if not path.parent.is_dir():
        return None
    return _by_plain_name(path.parent, path.parent.stat().st_mtime_ns).get(_plain(path.name))


@lru_cache(maxsize=16)
def _by_plain_name(folder: Path, changed: int) -> dict[str, Path]:
    """The files of a folder, which was `changed` then."""
    return {_plain(path.name): path for path in folder.iterdir() if path.is_file()}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def read_json(path: Path) -> Any:
    """The values of a JSON file; raises `BadDataset`."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadDataset(f"{path} is not JSON: {error}") from error


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Raise a missing or wrong field of `path` as `BadDataset`."""
    try:
        yield
    except LanesError:
        raise
    except KeyError as error:
        raise BadDataset(f"{path} is not {what}: {error} is missing; export it again") from error
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise BadDataset(f"{path} is not {what}: {error}; export it again") from error


def refused(path: Path, kind: str, name: str) -> BadDataset:
    """The error for a shape without an area, such as a point."""
    return BadDataset(
        f"{path} labels {name!r} with a {kind}, which has no outline; wanted polygons, polylines "
        "or masks: draw it again, or delete it"
    )
