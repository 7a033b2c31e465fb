"""The settings of a run from its data, the machine's speed and the minutes: nothing to configure.

The numbers below are rules of thumb: what other fine-tuning recipes use, tried on the included
sets, not tuned one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from lanes import assets, plugins, tasks
from lanes import card as cards
from lanes.card import DataUse
from lanes.datasets import _files
from lanes.errors import BadConfig, UnknownClasses
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training import own_classes, speed
from lanes.training.budget import Budget
from lanes.training.config import TrainConfig
from lanes.training.speed import Cost
from lanes.types import Dataset, Size

FIRST_WEIGHTS = "lanes-synthetic"
"""What a run starts from; no photograph went into it, so no terms bind what comes out."""
MINUTES = 10.0
TRAINS = 0.8
"""Share of the minutes that goes into steps; the rest starts, validates, saves and draws."""
VALIDATES = 0.15
GRID = 32
"""Sides of the input are multiples of this."""
SCALES = (1.0, 0.64, 0.4)
"""Shares of the first weights' pixels that the input may have."""
WANTED = (1500, 6000)
"""How many pictures a run should see at least, between few and many images."""
PASSES = 30
"""How often it should see each image, within these bounds."""
MOST_PASSES, LEAST_STEPS = 150, 300
"""More than this many passes teach a set by heart; very small sets get `LEAST_STEPS`."""
FEW = 200
"""With fewer images to learn from, the encoder is frozen first and learns more slowly."""
VALIDATIONS = 20
NAMED = 3
"""Held-out images named in the plan."""
MEMORY = 0.5
"""Share of the free memory that a step may take."""


@dataclass(frozen=True)
class Plan:
    """A run to be: its settings, length and first weights, and why they are so, in lines."""

    config: TrainConfig
    budget: Budget
    init: str
    lines: tuple[str, ...]

    def file(self, command: str) -> str:
        """The TOML that does the same, with the command that reads it."""
        return f"# {command}\n{self.config.to_toml()}"


def make(
    data: Mapping[str, str],
    minutes: float | None = None,
    steps: int | None = None,
    init: str = "",
    count: int = 1,
) -> Plan:
    """Plan a run on `data` (data set name -> root) that starts from `init`, for `count` processes.

    `steps` sets the length instead of the minutes. Labels with names that no task knows get
    `ROOT/classes.toml`, which is written.

    Raises:
        BadConfig: the data sets have different tasks.
        BadDataset: files are missing or contradict each other.
        UnknownName: there is no model `init`.
    """
    lines: list[str] = []
    opened = {name: _open(name, root, lines) for name, root in data.items()}
    held = {name: _splits(name, root) for name, root in data.items()}
    images = sum(map(len, opened.values()))
    init = init or FIRST_WEIGHTS
    base, uses = _first(init)
    first = next(iter(opened.values()))
    config = replace(
        base,
        task=_task(opened),
        weights={name: float(len(dataset)) for name, dataset in opened.items()},
        class_weights=_class_weights(first),
        **_by_number(images, count),
    )
    aspect, largest = _shape(opened)
    config = _sized(config, base.size, aspect, largest, 1.0)
    cost = speed.measure(config, first)
    seconds = 60 * (minutes or MINUTES)
    scale = _scale(cost, seconds, images)
    config = _sized(config, base.size, aspect, largest, scale)
    each = cost.total(scale)
    length = steps or _steps(seconds, each, config.batch, images)
    config = _timed(config, length, seconds, cost.seconds * scale / 3, held)
    config = replace(config, accumulate=_parts(config.batch // count, cost.memory * scale))
    lines += [
        *(f"{name}: {_held_out(splits)}" for name, splits in held.items()),
        f"classes: {', '.join(tasks.load(config.task).class_names)}",
        f"first weights: {init} ({'; '.join(dict.fromkeys(u.terms for u in uses)) or 'no terms'})",
        f"terms of the new weights: {'; '.join(_terms(data, uses))}",
        f"network: {config.model} at {config.size[1]}x{config.size[0]}, {_frozen(config)}",
        f"this machine: {each:.2f} s and {cost.memory * scale / 2**20:.0f} MiB per image of a step",
        _length(config, length, each, images),
    ]
    return Plan(config, Budget(length), init, tuple(lines))


def _open(name: str, root: str, lines: list[str]) -> Dataset:
    module = plugins.load("datasets", name)
    try:
        dataset: Dataset = module.open(root, "train")
    except UnknownClasses as error:
        path = own_classes.write(Path(root), error.names)
        lines.append(f"{path} is written, with the names found: change its colours, or add ' line'")
        dataset = module.open(root, "train")
    return dataset


def _splits(name: str, root: str) -> dict[str, Dataset]:
    module = plugins.load("datasets", name)
    return {split: module.open(root, split) for split in ("train", "choose", "val")}


def _task(opened: Mapping[str, Dataset]) -> str:
    found = {dataset.TASK for dataset in opened.values()}
    if len(found) > 1:
        raise BadConfig(f"the data sets have the tasks {', '.join(sorted(found))}; wanted one")
    return found.pop()


def _first(init: str) -> tuple[TrainConfig, tuple[DataUse, ...]]:
    """The architecture of the first weights, as a configuration, and the data behind them."""
    if init.endswith(".pt"):
        checkpoint = checkpoints.load(Path(init))
        values = checkpoint.config.to_dict()
        uses = tuple(_use(one) for one in checkpoints.learned_from(checkpoint))
    else:
        card = cards.read(assets.model_folder(init))
        values, uses = card.training.get("config", {}), card.data
        values = {**values, "model": card.architecture, "size": list(card.resize.size)}
    kept = ("model", "size", "mode", "mean", "std", "model_options")
    base = {"task": "lanes", "weights": {}} | {k: values[k] for k in kept if k in values}
    return configs.from_dict(base, init), uses


def _use(one: str | dict[str, str]) -> DataUse:
    if isinstance(one, dict):
        return DataUse(**one)
    terms = getattr(plugins.load("datasets", one), "TERMS", "") if one in _sets() else one
    return DataUse(one, one, terms)


def _sets() -> list[str]:
    return plugins.names("datasets")


def _terms(data: Mapping[str, str], uses: tuple[DataUse, ...]) -> list[str]:
    own = [str(plugins.load("datasets", name).TERMS) for name in data]
    return list(dict.fromkeys([*own, *(use.terms for use in uses)]))


def _by_number(images: int, count: int) -> dict[str, Any]:
    """Settings that depend on the number of images to learn from."""
    few = images < FEW
    batch = 4 if images < 16 else 8 if few else 16
    batch = math.ceil(batch / count) * count
    return {
        "batch": batch,
        "learning_rate": 1e-3 * math.sqrt(batch / 8),
        "weight_decay": 0.05 if few else 0.02,
        "encoder_rate": 0.3 if few else 1.0,
        "freeze": 0.2 if few else 0.0,
        "crop_area": (0.5, 1.0),
    }


def _class_weights(dataset: Dataset) -> tuple[float, ...]:
    """Twice the weight for thin lines, which have few pixels."""
    lines = {k for m in dataset.MEASURES.values() if m.lines for k in m.classes}
    weights = tuple(2.0 if k in lines else 1.0 for k in range(dataset.TARGETS.shape[1]))
    return weights if lines else ()


def _shape(opened: Mapping[str, Dataset]) -> tuple[float, int]:
    """The median width / height of some images, and the largest number of pixels among them."""
    sizes = [dataset[0].image.shape[:2] for dataset in opened.values()]
    return median(width / height for height, width in sizes), max(h * w for h, w in sizes)


def _sized(
    config: TrainConfig, base: Size, aspect: float, largest: int, scale: float
) -> TrainConfig:
    """The configuration at `scale` times the pixels of `base`, at the pictures' `aspect`.

    No larger than the pictures. A network that takes tiles keeps its size.
    """
    if config.mode == "tile":
        return config
    area = min(base[0] * base[1] * scale, largest)
    near = abs(math.log(aspect * base[0] / base[1])) < 0.1
    aspect = base[1] / base[0] if near else aspect
    height = _on_grid(math.sqrt(area / aspect))
    width = _on_grid(area / height)
    ratio = width / height
    return replace(config, size=(height, width), crop_ratio=(0.85 * ratio, 1.15 * ratio))


def _on_grid(side: float) -> int:
    return max(round(side / GRID), 1) * GRID


def _scale(cost: Cost, seconds: float, images: int) -> float:
    """The largest of `SCALES` at which the run sees enough pictures in time."""
    wanted = min(max(PASSES * images, WANTED[0]), WANTED[1])
    for scale in SCALES:
        if TRAINS * seconds / cost.total(scale) >= wanted:
            return scale
    return SCALES[-1]


def _steps(seconds: float, each: float, batch: int, images: int) -> int:
    fitting = TRAINS * seconds / each / batch
    return max(round(min(fitting, max(MOST_PASSES * images / batch, LEAST_STEPS))), 1)


def _timed(
    config: TrainConfig,
    steps: int,
    seconds: float,
    each: float,
    held: Mapping[str, Mapping[str, Dataset]],
) -> TrainConfig:
    """Settings that depend on the length: `each` is the seconds to label one image."""
    affordable = max(int(VALIDATES * seconds / max(each, 1e-4) / VALIDATIONS), 8)
    choosing = max(len(splits["choose"]) for splits in held.values())
    return replace(
        config,
        warmup_steps=max(min(200, steps // 10), 1),
        ema_decay=0.998 if steps > 1000 else 0.99,
        validate_every=max(steps // VALIDATIONS, 1),
        choose_images=affordable if choosing > affordable else 0,
        patience=VALIDATIONS // 2,
    )


def _parts(batch: int, memory: float) -> int:
    """Into how many parts a batch must be cut so that a step fits into the free memory."""
    fitting = max(int(MEMORY * speed.free_memory() / max(memory, 1)), 1)
    return next(
        n for n in range(1, batch + 1) if batch % n == 0 and batch // n <= fitting or n == batch
    )


def _length(config: TrainConfig, steps: int, each: float, images: int) -> str:
    seen = steps * config.batch
    return (
        f"run: {steps} steps of {config.batch} images{_in_parts(config)}, about "
        f"{max(seen * each / 60, 0.1):.1f} min, {seen / images:.0f} passes over {images} images; "
        f"learning rate {config.learning_rate:.2g}"
    )


def _in_parts(config: TrainConfig) -> str:
    return f" in {config.accumulate} parts" if config.accumulate > 1 else ""


def _frozen(config: TrainConfig) -> str:
    if not config.freeze:
        return "all of it learns from the start"
    return f"its encoder frozen for the first {config.freeze:.0%}, then at {config.encoder_rate}"


def _held_out(splits: Mapping[str, Dataset]) -> str:
    names = [Path(file).name for file in _files.image_files(splits["val"])]
    shown = f" ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})" if names else ""
    return (
        f"{len(splits['train'])} images to learn from, {len(splits['choose'])} choose the "
        f"checkpoint, {len(splits['val'])} held out for lanes evaluate{shown}"
    )
