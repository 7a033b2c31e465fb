"""What a trained teacher says of every picture, in a folder that its students learn from.

Layout: `FOLDER/NAME/teacher.json` and, for each picture of the data set NAME, one 8-bit grey PNG:
255 times the probability of every class, the classes' maps stacked from top to bottom, each of half
the teacher's input size. A PNG bears the hash of its picture's pixels as its name, so that no
picture can take another's map, whatever becomes of splits and orders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lanes import tasks
from lanes.errors import BadConfig, BadDataset, BadOutput
from lanes.images.resize import resize_image, resize_plane
from lanes.training import checkpoint as checkpoints
from lanes.training.checkpoint import Checkpoint
from lanes.types import Dataset, Image, Sample

RECORD = "teacher.json"
SHRUNK = 2
"""The maps' size is the network's divided by this."""
SHARE = 255
"""A probability of 1 in 8 bits."""


def write(
    teacher: Checkpoint,
    datasets: Mapping[str, Dataset],
    folder: Path,
    mirror: bool = False,
    shown: Callable[[range, str], Iterable[int]] = lambda indices, _: indices,
) -> int:
    """Write the maps that `folder` lacks of every picture of `datasets`; returns how many.

    With `mirror` a map is the mean of the picture's and its mirror image's. An interrupted call is
    continued by the next. `shown` may report the progress over the indices of a data set.

    Raises:
        BadConfig: the teacher takes tiles, which have no map of the whole picture.
        BadOutput: `folder` holds the maps of another teacher, or cannot be written.
    """
    if teacher.config.resize.in_tiles:
        raise BadConfig("a teacher of tiles cannot be distilled: its mode must be stretch")
    probabilities = _Teacher(teacher, mirror)
    height, width = (side // SHRUNK for side in teacher.config.size)
    record = {
        "task": teacher.config.task,
        "classes": list(tasks.load(teacher.config.task).class_names),
        "size": [height, width],
        "mirror": mirror,
        "weights": _weights_hash(teacher),
    }
    written = 0
    try:
        for name, dataset in datasets.items():
            where = folder / name
            where.mkdir(parents=True, exist_ok=True)
            _note(record, where / RECORD)
            for index in shown(range(len(dataset)), name):
                image = dataset[index].image
                path = where / f"{name_of(image)}.png"
                if not path.exists():
                    _write_atomically(path, _encoded(probabilities(image), (height, width)))
                    written += 1
    except OSError as error:
        if isinstance(error, BadOutput):
            raise
        raise BadOutput(f"cannot write {folder}: {error.strerror}") from error
    return written


def taught(datasets: Mapping[str, Dataset], folder: Path) -> dict[str, Dataset]:
    """The data sets, those that `folder` has maps of with these as `Sample.soft`.

    Raises:
        BadDataset: `folder` has maps of none of them, or of other classes.
    """
    found = {
        name: Taught(dataset, folder / name) if (folder / name / RECORD).is_file() else dataset
        for name, dataset in datasets.items()
    }
    if not any(isinstance(dataset, Taught) for dataset in found.values()):
        raise BadDataset(
            f"{folder} holds no teacher's maps of {', '.join(datasets)}: write them with "
            "lanes distill"
        )
    return found


class Taught:
    """A data set whose samples have a teacher's soft maps; see `lanes.types.Dataset`."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        """Take the maps of `dataset` from `folder`; raises `BadDataset` if they do not suit it."""
        self.dataset, self.folder = dataset, folder
        self.TASK, self.TARGETS, self.MEASURES = dataset.TASK, dataset.TARGETS, dataset.MEASURES
        groups = getattr(dataset, "groups", None)
        if groups is not None:
            self.groups = groups
        record = _read(folder / RECORD)
        classes = list(tasks.load(dataset.TASK).class_names)
        if (record["task"], record["classes"]) != (dataset.TASK, classes):
            raise BadDataset(
                f"{folder} holds maps of {record['classes']}; the task {dataset.TASK} has {classes}"
            )
        self.shape = (len(classes), *record["size"])

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        path = self.folder / f"{name_of(sample.image)}.png"
        try:
            stacked = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        except OSError as error:
            raise BadDataset(
                f"{self.folder} holds no map of sample {index}: the data set has changed, or "
                "lanes distill was not finished; run it again"
            ) from error
        classes, height, width = self.shape
        if stacked is None or stacked.shape != (classes * height, width):
            raise BadDataset(f"{path} is damaged: remove it and run lanes distill again")
        rows, columns = sample.targets.shape
        planes = [resize_plane(p, (rows, columns)) for p in stacked.reshape(self.shape)]
        return replace(sample, soft=np.stack(planes))


def name_of(image: Image) -> str:
    """The name of a picture's map: a hash of every fourth row, which tells frames apart."""
    rows = np.ascontiguousarray(image[::4])
    return blake2b(rows.data, digest_size=10, person=str(image.shape[:2]).encode()[:16]).hexdigest()


class _Teacher:
    """Image (H, W, 3) -> probabilities float32 (C, h, w) at the network's size."""

    def __init__(self, teacher: Checkpoint, mirror: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # A logit bias is for labels: it moves a decision, and no student needs it twice.
        self.network = checkpoints.network_of(
            replace(teacher, config=replace(teacher.config, logit_bias=()))
        ).to(self.device)
        self.resize, self.mirror = teacher.config.resize, mirror

    def __call__(self, image: Image) -> NDArray[np.float32]:
        picture = resize_image(image, self.resize)
        pictures = [picture, picture[:, ::-1]] if self.mirror else [picture]
        batch = torch.from_numpy(np.stack(pictures)).to(self.device)
        with torch.inference_mode():
            shares = self.network(batch).float().softmax(1)
            if self.mirror:
                shares = (shares[:1] + shares[1:].flip(-1)) / 2
        return np.asarray(shares[0].cpu().numpy(), np.float32)


def _encoded(shares: NDArray[np.float32], size: tuple[int, int]) -> bytes:
    """A PNG of `shares` (C, H, W), each class's map brought to `size`."""
    small = [cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) for p in shares]
    stacked = np.rint(np.vstack(small) * SHARE).astype(np.uint8)
    return bytes(cv2.imencode(".png", stacked)[1])


def _note(record: dict[str, Any], path: Path) -> None:
    """Write `record`; raises `BadOutput` if that of another teacher is there."""
    if not path.exists():
        _write_atomically(path, json.dumps(record, indent=2).encode())
    elif _read(path) != record:
        raise BadOutput(f"{path.parent} holds the maps of another teacher: name a new folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return {key: record[key] for key in ("task", "classes", "size", "mirror", "weights")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadDataset(f"{path} is damaged: write the maps anew, in another folder") from error


def _write_atomically(path: Path, data: bytes) -> None:
    # One process's part is not another's: two may fill a folder together.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)


def _weights_hash(teacher: Checkpoint) -> str:
    told = blake2b(digest_size=8)
    for name, tensor in sorted(teacher.ema.items()):
        told.update(name.encode())
        told.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return told.hexdigest()
