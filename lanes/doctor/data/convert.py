"""Write a data set in another format: masks of ids, COCO or YOLO segmentation.

Only what the target ids say is written: parts of one class that touch become one object. "choose"
is written into train, from which it is taken again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes import plugins
from lanes.datasets._files import image_files
from lanes.doctor.data.outlines import keyhole, parts_of
from lanes.errors import BadConfig, BadDataset, BadOutput
from lanes.plugins import unknown
from lanes.types import Dataset, Image, LabelMap, Sample
from lanes.video.output_files import write_image, write_json, write_text

PARTS = {"train": "train", "choose": "train", "val": "val"}
UNKNOWN = "unknown"
DIGITS = 7
"""Significant digits of a coordinate 0..1: a thousandth of a pixel."""
Tick = Callable[[int, int | None, str], None]


Masks: TypeAlias = Mapping[str, NDArray[np.bool_]]
"""The pixels of each class that a picture shows, by name."""


class Writer(Protocol):
    """Writes one format; `images` and `labels` are its folders for a `part`."""

    images: str
    labels: str

    def add(self, part: str, image: Path, ids: LabelMap, masks: Masks) -> None:
        """Write the labels of an image of "train" or "val"."""

    def close(self) -> None:
        """Write what covers all images."""


class Ids:
    """`OUT/{train,val}/{images,labels}` with labels.toml, as `image_folder` reads them."""

    images, labels = "{part}/images", "{part}/labels"

    def __init__(self, out: Path, names: list[str], rows: list[str], task: str) -> None:
        """Write `labels.toml`, which says what each target id means."""
        self.out = out
        lines = "".join(f"{k} = {meaning}\n" for k, meaning in enumerate(rows))
        text = f"task = {json.dumps(task)}\n[ids]\n{lines}"
        write_text(out / "labels.toml", text)

    def add(self, part: str, image: Path, ids: LabelMap, masks: Masks) -> None:
        """Write the mask of an image."""
        folder = self.out / self.labels.format(part=part)
        write_image(folder / f"{image.stem}.png", ids)

    def close(self) -> None:
        """Every mask is already written."""


class Yolo:
    """`OUT/{images,labels}/{train,val}` with data.yaml, as Ultralytics reads them."""

    images, labels = "images/{part}", "labels/{part}"

    def __init__(self, out: Path, names: list[str], rows: list[str], task: str) -> None:
        """Write `data.yaml` with the class names."""
        self.out, self.names = out, names
        listed = "".join(
            f"  {k}: {json.dumps(n, ensure_ascii=False)}\n" for k, n in enumerate(names)
        )
        text = f"path: .\ntrain: images/train\nval: images/val\nnames:\n{listed}"
        write_text(out / "data.yaml", text)

    def add(self, part: str, image: Path, ids: LabelMap, masks: Masks) -> None:
        """Write the outlines of an image; holes are cut in."""
        size = ids.shape[::-1]
        lines = ""
        for name, mask in masks.items():
            for piece in parts_of(mask):
                numbers = (keyhole(piece) / size).ravel()
                text = " ".join(f"{number:.{DIGITS}g}" for number in numbers)
                lines += f"{self.names.index(name)} {text}\n"
        path = self.out / self.labels.format(part=part) / f"{image.stem}.txt"
        write_text(path, lines)

    def close(self) -> None:
        """Every text file is already written."""


class Coco:
    """`OUT/{train,val}` with images and `OUT/annotations/instances_{train,val}.json`."""

    images, labels = "{part}", "annotations"

    def __init__(self, out: Path, names: list[str], rows: list[str], task: str) -> None:
        """Begin the files of both parts."""
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
        self.out, self.names = out, names
        self.parts: dict[str, dict[str, list[Any]]] = {
            part: {"images": [], "annotations": [], "categories": categories}
            for part in dict.fromkeys(PARTS.values())
        }

    def add(self, part: str, image: Path, ids: LabelMap, masks: Masks) -> None:
        """Add an image with an annotation for each connected part of a class, as run lengths."""
        values = self.parts[part]
        height, width = ids.shape
        number = len(values["images"]) + 1
        picture = {"id": number, "file_name": image.name, "height": height, "width": width}
        values["images"].append(picture)
        for name, mask in masks.items():
            count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
            for k in range(1, count):
                annotation = _annotation(np.asarray(pieces) == k)
                numbers = {"id": len(values["annotations"]) + 1, "image_id": number}
                category = {"category_id": self.names.index(name) + 1}
                values["annotations"].append({**numbers, **category, **annotation})

    def close(self) -> None:
        """Write the files."""
        for name, values in self.parts.items():
            write_json(self.out / "annotations" / f"instances_{name}.json", values)


WRITERS: Mapping[str, Callable[[Path, list[str], list[str], str], Writer]] = {
    "ids": Ids,
    "coco": Coco,
    "yolo": Yolo,
}


def convert(opened: Mapping[str, Dataset], out: Path, to: str, tick: Tick = lambda *_: None) -> int:
    """Write the splits `opened` as `to` ("ids", "coco" or "yolo") into a new folder; how many.

    Raises:
        BadConfig: there is no such format.
        BadDataset: a pixel may be several classes, which only "ids" can say; or two images of a
            part have one name.
        BadOutput: `out` holds files already, or cannot be written.
    """
    if to not in WRITERS:
        raise BadConfig(unknown("--to", to, list(WRITERS)))
    first = next(iter(opened.values()))
    classes = plugins.task(first.TASK).class_names
    if to != "ids":
        _check_single(first, classes, to)
    _check_names(opened)
    _new_folder(out)
    # Splits that are scored have another table than train.
    rows = list(dict.fromkeys(_meaning(r, classes) for d in opened.values() for r in d.TARGETS))
    writer = WRITERS[to](out, [*classes[1:], UNKNOWN], rows, first.TASK)
    for part in dict.fromkeys(PARTS.values()):
        for folder in (writer.images, writer.labels):
            (out / folder.format(part=part)).mkdir(parents=True, exist_ok=True)
    total = sum(map(len, opened.values()))
    for done, (part, image, sample, dataset) in enumerate(_samples(opened), 1):
        target = out / writer.images.format(part=part) / image.name
        _put(image, sample.image, target)
        ids = np.array([rows.index(_meaning(row, classes)) for row in dataset.TARGETS], np.uint8)
        writer.add(part, target, ids[sample.targets], _masks(sample, dataset, classes))
        tick(done, total, "")
    writer.close()
    return total


def _samples(opened: Mapping[str, Dataset]) -> Iterator[tuple[str, Path, Sample, Dataset]]:
    for split, dataset in opened.items():
        files = image_files(dataset)
        for index in range(len(dataset)):
            image = files[index] if files else Path(f"{split}_{index:05}.png")
            yield PARTS[split], image, dataset[index], dataset


def _put(image: Path, pixels: Image, target: Path) -> None:
    """Copy the image file, or write the pixels of a drawn one."""
    try:
        if image.is_file():
            shutil.copyfile(image, target)
        else:
            write_image(target, pixels)
    except OSError as error:
        raise BadOutput(f"{target} cannot be written: {error}") from error


def _masks(sample: Sample, dataset: Dataset, classes: tuple[str, ...]) -> dict[str, Any]:
    """The pixels of each class but the background, and of unknown ones."""
    found = {}
    for row in np.unique(sample.targets).tolist():
        allowed = np.flatnonzero(dataset.TARGETS[row])
        name = UNKNOWN if len(allowed) == len(classes) else classes[allowed[0]]
        if name != classes[0]:
            found[name] = sample.targets == row
    return found


def _check_single(dataset: Dataset, classes: tuple[str, ...], to: str) -> None:
    for row in dataset.TARGETS:
        if 1 < row.sum() < len(classes):
            listed = " or ".join(classes[k] for k in np.flatnonzero(row))
            raise BadDataset(
                f"pixels of this data set may be {listed}, which {to} cannot say: use --to ids"
            )


def _check_names(opened: Mapping[str, Dataset]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for split, dataset in opened.items():
        for path in image_files(dataset):
            twin = seen.setdefault((PARTS[split], path.stem), path)
            if twin != path:
                raise BadDataset(f"{twin} and {path} have one name: rename one of them")


def _new_folder(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadOutput(f"{out} exists already and is not empty: name a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"cannot make {out}: {error.strerror}; name another folder") from error


def _meaning(row: NDArray[np.bool_], classes: tuple[str, ...]) -> str:
    """What a target id means, as TOML."""
    names = [classes[k] for k in np.flatnonzero(row)]
    if len(names) == len(classes):
        return json.dumps(UNKNOWN)
    return json.dumps(names[0] if len(names) == 1 else names, ensure_ascii=False)


def _annotation(mask: NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask.ravel(order="F")
    ends = [*(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), len(flat)]
    counts = np.diff([0, *ends]).tolist()
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return {
        "segmentation": {
            "counts": [0, *counts] if flat[0] else counts,
            "size": [mask.shape[0], mask.shape[1]],
        },
        "bbox": [left, top, width, height],
        "area": int(mask.sum()),
        "iscrowd": 0,
    }
