"""The card of an exported model (`card.json`): everything that inference needs to know."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lanes.errors import BadModel
from lanes.images.resize import MODES, Resize
from lanes.system.atomic import atomic_file

CARD = "card.json"
ONNX = "model.onnx"
INT8_ONNX = "model.int8.onnx"
CURE = "export the checkpoint again with lanes export"
LARGEST = 1 << 14
"""Largest side of the input in pixels; larger values are mistakes, and exhaust memory."""
KINDS: dict[str, type] = {
    "name": str,
    "task": str,
    "architecture": str,
    "resize": dict,
    "classes": list,
    "parameters": int,
    "gflop": float,
    "terms": str,
    "data": list,
    "metrics": dict,
    "training": dict,
}
OPTIONAL_KINDS: dict[str, type] = {
    "half_keep": list,
    "int8": dict,
    "cell_diameter": float,
    "precisions": list,
}
RESIZES = [{"interpolation": "linear", "mode": mode} for mode in MODES]
RESIZE_KINDS: dict[str, type] = {"size": list, "interpolation": str, "mode": str}
USE_KINDS: dict[str, type] = {"name": str, "what": str, "terms": str}
INT8_KINDS: dict[str, type] = {"fp32": float, "int8": float}
"""The keys of `card.json` and of its parts, with their JSON types."""
FREE = re.compile(
    r"none(: .*)?|the user's own images"
    r"|([^:;]+: )?(MIT|Apache-2\.0)( licen[cs]e)?(, \(c\) \d+ [^:;,]+)?"
)
"""Matches terms that allow every use; any other text counts as a restriction."""


@dataclass(frozen=True)
class DataUse:
    """A data set that the weights were trained on: its name, what was used, and its terms."""

    name: str
    what: str
    terms: str

    @property
    def restricted(self) -> bool:
        """Whether its terms restrict the use of the weights; unknown terms count as restricted."""
        return not FREE.fullmatch(self.terms)


@dataclass(frozen=True)
class ModelCard:
    """Describes the model in a model folder.

    `resize` maps an image to the network's input; `classes` are those of `task`, in order of their
    ids. `gflop` is the cost of the convolutions per image, counting 2 per multiply-add. `metrics`
    are scores, 0..1, by names that state the data set and split. `training` has the command, the
    seed, the steps and the configuration of the run. `half_keep` are the layers that half precision
    leaves in fp32. `int8` is the cost of quantisation: metric name to {"fp32": ..., "int8": ...}.
    `cell_diameter` is that of the cells that the model learned, in pixels: pictures are resized to
    it; None: the model takes cells of any size, or labels none.
    `precisions` are those that may run it, the first by default; empty = all.
    """

    name: str
    task: str
    architecture: str
    resize: Resize
    classes: tuple[str, ...]
    parameters: int
    gflop: float
    terms: str
    data: tuple[DataUse, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    half_keep: tuple[str, ...] = ()
    int8: dict[str, dict[str, float]] = field(default_factory=dict)
    cell_diameter: float | None = None
    precisions: tuple[str, ...] = ()

    @property
    def restricted(self) -> tuple[str, ...]:
        """The names of the data sets whose terms restrict the use of the weights.

        For a card without `data`, its own `terms` decide, and the name is the model's.
        """
        uses = self.data or (DataUse(self.name, "", self.terms),)
        return tuple(use.name for use in uses if use.restricted)

    def write(self, folder: Path) -> None:
        """Write `card.json` to `folder`, atomically; raises `BadOutput`."""
        values = dataclasses.asdict(self)
        values = {k: v for k, v in values.items() if v or k not in OPTIONAL_KINDS}
        with atomic_file(folder / CARD) as part:
            part.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", "utf-8")


def server_name(name: str) -> str:
    """The name of the model `name` on a server: without characters that a URL encodes."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def read(folder: Path) -> ModelCard:
    """Read the card of a model folder; raises `BadModel` if it is missing or invalid."""
    path = folder / CARD
    if not path.is_file():
        raise BadModel(f"no {CARD} in {folder}: a model folder holds {CARD} and {ONNX}; {CURE}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadModel(f"{path} is not a JSON file ({error}): {CURE}") from error
    if wrong := _wrong(values):
        raise BadModel(f"{path} {wrong}: {CURE}")
    values["resize"]["size"] = tuple(values["resize"]["size"])
    values["resize"] = Resize(**values["resize"])
    values["classes"] = tuple(values["classes"])
    values["data"] = tuple(DataUse(**use) for use in values["data"])
    for key in ("half_keep", "precisions"):
        values[key] = tuple(values.get(key, ()))
    return ModelCard(**values)


def _wrong(values: Any) -> str:
    """The first error in the values of a card, "" if there is none."""
    if wrong := _wrong_keys(values, KINDS, "it", OPTIONAL_KINDS):
        return wrong
    if wrong := _wrong_keys(values["resize"], RESIZE_KINDS, "resize"):
        return wrong
    for use in values["data"]:
        if wrong := _wrong_keys(use, USE_KINDS, "data"):
            return wrong
    size, how = values["resize"]["size"], {k: v for k, v in values["resize"].items() if k != "size"}
    if len(size) != 2 or not all(type(n) is int and 0 < n <= LARGEST for n in size):
        return f"has resize.size {size}; wanted [height, width] in pixels"
    if how not in RESIZES:
        return f"has the resize {how}, which this version of lanes does not support"
    classes = values["classes"]
    if len(classes) < 2 or not all(isinstance(name, str) for name in classes):
        return f"has the classes {classes}; wanted two names or more"
    for key, what in (("half_keep", "names of layers"), ("precisions", "such as fp32")):
        if not all(isinstance(name, str) for name in values.get(key, [])):
            return f"has {key} = {values[key]!r}; wanted {what}"
    if not 0 < values.get("cell_diameter", 1.0) < math.inf:
        return f"has cell_diameter = {values['cell_diameter']}; wanted pixels, above 0"
    for name, costs in values.get("int8", {}).items():
        if wrong := _wrong_keys(costs, INT8_KINDS, f"int8, {name}"):
            return wrong
    return ""


def _wrong_keys(
    values: Any, kinds: dict[str, type], where: str, optional: dict[str, type] | None = None
) -> str:
    if not isinstance(values, dict):
        return f"has {where} = {values!r}; wanted the keys {', '.join(kinds)}"
    if missing := kinds.keys() - values.keys():
        return f"lacks {', '.join(sorted(missing))} in {where}"
    kinds = kinds | (optional or {})
    if surplus := values.keys() - kinds.keys():
        return f"has {', '.join(sorted(surplus))} in {where}, unknown to this version of lanes"
    for key, kind in kinds.items():
        if key in values and not isinstance(values[key], kind):
            return f"has {key} = {values[key]!r} in {where}; wanted {kind.__name__}"
    return ""
