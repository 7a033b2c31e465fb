"""Store a trained teacher's predictions for every picture, for students to learn from.

Layout: `FOLDER/NAME/teacher.json` and, for each picture of the data set NAME, one 8-bit grey PNG:
255 times the probability of every class, with the class maps stacked from top to bottom, each at
half the teacher's input size. The file name is a hash of the picture's pixels, so maps cannot be
mixed up when splits or orders change.
"""

from __future__ import annotations

import json
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
from lanes.system.atomic import atomic_file, make_folder
from lanes.training import checkpoint as checkpoints
from lanes.training.checkpoint import Checkpoint
from lanes.types import Dataset, Image, Sample

RECORD = "teacher.json"
SHRUNK = 2
"""The maps are smaller than the network's input by this factor."""
SHARE = 255
"""The 8-bit value of probability 1."""


def write(
    teacher: Checkpoint,
    datasets: Mapping[str, Dataset],
    folder: Path,
    mirror: bool = False,
    shown: Callable[[range, str], Iterable[int]] = lambda indices, _: indices,
) -> int:
    """Write the missing maps of all pictures of `datasets` to `folder`; returns how many.

    With `mirror`, each map is the mean over the picture and its mirror image. A second call resumes
    an interrupted one. `shown` may report the progress over the indices of a data set.

    Raises:
        BadConfig: the teacher takes tiles, which have no map of the whole picture.
        BadOutput: `folder` holds the maps of another teacher, or cannot be written.
    """
    if teacher.config.resize.in_tiles:
        raise BadConfig("cannot distil a teacher with mode tile: use a teacher with mode stretch")
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
    for name, dataset in datasets.items():
        where = folder / name
        make_folder(where)
        _note(record, where / RECORD)
        for index in shown(range(len(dataset)), name):
            image = dataset[index].image
            path = where / f"{name_of(image)}.png"
            if not path.exists():
                encoded = _encoded(probabilities(image), (height, width))
                with atomic_file(path, durable=False) as part:
                    part.write_bytes(encoded)
                written += 1
    return written


def taught(datasets: Mapping[str, Dataset], folder: Path) -> dict[str, Dataset]:
    """The data sets; where `folder` has maps, they are added as `Sample.soft`.

    Raises:
        BadDataset: `folder` has no maps for any of the data sets, or maps of other classes.
    """
    found = {
        name: Taught(dataset, folder / name) if (folder / name / RECORD).is_file() else dataset
        for name, dataset in datasets.items()
    }
    if not any(isinstance(dataset, Taught) for dataset in found.values()):
        raise BadDataset(
            f"{folder} holds no teacher's maps of {', '.join(datasets)}: create them with "
            "lanes distill"
        )
    return found


class Taught:
    """A data set with a teacher's soft maps in its samples; see `lanes.types.Dataset`."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        """Use the maps of `dataset` in `folder`; raises `BadDataset` if they do not fit."""
        self.dataset, self.folder = dataset, folder
        self.TASK, self.TARGETS, self.MEASURES = dataset.TASK, dataset.TARGETS, dataset.MEASURES
        groups = getattr(dataset, "groups", None)
        if groups is not None:
            self.groups = groups
        record = _read(folder / RECORD)
        classes = list(tasks.load(dataset.TASK).class_names)
        if (record["task"], record["classes"]) != (dataset.TASK, classes):
            raise BadDataset(
                f"{folder} holds maps of {record['classes']}, but the task {dataset.TASK} has "
                f"{classes}: create new maps with lanes distill"
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
                "lanes distill did not finish; run it again"
            ) from error
        classes, height, width = self.shape
        if stacked is None or stacked.shape != (classes * height, width):
            raise BadDataset(f"{path} is damaged: delete it and run lanes distill again")
        rows, columns = sample.targets.shape
        planes = [resize_plane(p, (rows, columns)) for p in stacked.reshape(self.shape)]
        return replace(sample, soft=np.stack(planes))


def name_of(image: Image) -> str:
    """The name of a picture's map: a hash of every fourth row, enough to distinguish frames."""
    rows = np.ascontiguousarray(image[::4])
    return blake2b(rows.data, digest_size=10, person=str(image.shape[:2]).encode()[:16]).hexdigest()


class _Teacher:
    """Image (H, W, 3) -> probabilities float32 (C, h, w) at the network's size."""

    def __init__(self, teacher: Checkpoint, mirror: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Without the logit bias: it shifts decisions, and students must not get it twice.
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
    """A PNG of `shares` (C, H, W), with each class map resized to `size`."""
    small = [cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) for p in shares]
    stacked = np.rint(np.vstack(small) * SHARE).astype(np.uint8)
    return bytes(cv2.imencode(".png", stacked)[1])


def _note(record: dict[str, Any], path: Path) -> None:
    """Write `record`; raises `BadOutput` if another teacher's record exists."""
    if not path.exists():
        with atomic_file(path) as part:
            part.write_text(json.dumps(record, indent=2), "utf-8")
    elif _read(path) != record:
        raise BadOutput(f"{path.parent} holds the maps of another teacher: name a new folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return {key: record[key] for key in ("task", "classes", "size", "mirror", "weights")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadDataset(f"{path} is damaged: create the maps again in another folder") from error


def _weights_hash(teacher: Checkpoint) -> str:
    digest = blake2b(digest_size=8)
    for name, tensor in sorted(teacher.ema.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
