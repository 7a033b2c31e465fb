"""The card of an exported model: all that inference knows of training, as `card.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lanes.errors import BadModel
from lanes.resize import Resize

CARD = "card.json"
ONNX = "model.onnx"


@dataclass(frozen=True)
class DataUse:
    """One data set that went into the weights: its name, how much of it, and its terms."""

    name: str
    what: str
    terms: str


@dataclass(frozen=True)
class ModelCard:
    """What a model folder says of itself.

    `resize` brings a picture to the network's input; `classes` are those of `task`, in order of
    their ids. `metrics` are figures 0..1 by name, each with the data set and split it was scored
    on; `training` holds the command, the seed, the steps and every number of the run.
    """

    name: str
    task: str
    architecture: str
    resize: Resize
    classes: tuple[str, ...]
    parameters: int
    terms: str
    data: tuple[DataUse, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `card.json` into `folder`."""
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> ModelCard:
    """Read the card of a model folder; raises `BadModel` naming what is missing or wrong."""
    path = folder / CARD
    cure = "export the checkpoint again with scripts/export.py"
    if not path.is_file():
        raise BadModel(f"no {CARD} in {folder}: a model folder holds {CARD} and {ONNX}; {cure}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        resize = Resize(**{**values["resize"], "size": tuple(values["resize"]["size"])})
        data = tuple(DataUse(**use) for use in values.pop("data", ()))
        classes = tuple(values.pop("classes"))
        card = ModelCard(**{**values, "resize": resize, "data": data, "classes": classes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{path} is not a model card ({error!r}): {cure}") from error
    _check(card, path, cure)
    return card


def _check(card: ModelCard, path: Path, cure: str) -> None:
    size = card.resize.size
    if len(size) != 2 or not all(isinstance(n, int) and 0 < n <= 1 << 14 for n in size):
        raise BadModel(f"{path}: resize.size is {size}, wanted [height, width] in pixels; {cure}")
    if card.resize.mode != "stretch" or card.resize.interpolation != "linear":
        raise BadModel(f"{path}: unknown resize {card.resize}; update lanes-video, or {cure}")
    if not (isinstance(card.task, str) and len(card.classes) >= 2):
        raise BadModel(f"{path}: task {card.task!r} with classes {card.classes}; {cure}")
