"""All settings of a run, read from one TOML file and stored in the checkpoint and the card."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lanes.errors import BadConfig, BadInput
from lanes.images.resize import MODES, Resize
from lanes.plugins import own_classes, unknown

PRECISIONS = ("auto", "bf16-mixed", "32-true")


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run; unknown keys are errors. Sizes are (height, width) in pixels."""

    task: str
    """One of `lanes/tasks`, or a file classes.toml (see `lanes.plugins.own_classes`)."""
    model: str
    size: tuple[int, int]
    """The network's input size."""
    weights: dict[str, float]
    """How often to draw a sample from each data set, relative to the others."""
    mode: str = "stretch"
    """How pictures are fitted to the network's input, one of `lanes.images.resize.MODES`."""
    seed: int = 0
    batch: int = 8
    accumulate: int = 1
    """Into how many parts a batch is cut to save memory; the gradient is that of the whole batch.
    Batch normalisation sees a part at a time."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 200
    """Steps over which the learning rate rises from 0 (at most half of a short run); it also
    decays to 0 along a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts)."""
    clip_norm: float = 5.0
    """Gradients with a greater norm are scaled down to this norm."""
    ema_decay: float = 0.998
    """Decay of the averaged weights, which are validated and exported."""
    precision: str = "auto"
    """One of `PRECISIONS`; "auto" is bf16 if the processor supports it, else fp32."""
    workers: int = 1
    """Processes that read and augment samples; 0 = the training process itself."""
    class_weights: tuple[float, ...] = ()
    """Loss weight of each class; empty = all 1."""
    logit_bias: tuple[float, ...] = ()
    """Added to each class's logit in the exported model; empty = 0. Validation does not use it: it
    is fitted after training, on the "choose" splits."""
    soft_weight: float = 1.0
    """Weight of the teacher's term relative to the truth's."""
    teachers: str = ""
    """A cache of lanes teach, outside the project: the answers of two networks for the training
    frames. Model selection and scoring use only the truth."""
    distilled: str = ""
    """The folder with a teacher's maps from `lanes distill`; empty = no teacher."""
    cell_diameter: float = 0.0
    """Diameter in pixels of the cells in the data sets, for the card; 0: inference resizes none."""
    validate_every: int = 500
    """Steps between validations on the choosing split."""
    train_split: str = "train"
    """The split to train on; some data sets have others, such as CamVid's "trainval"."""
    keep_last: bool = False
    """Whether to keep the last weights instead of the best on the choosing split: for runs that
    also train on the choosing split."""
    crop_area: tuple[float, float] = (0.4, 1.0)
    """Area of a random crop as a share of the picture; in mode "tile" as a share of the network's
    input, where a crop of 1.0 keeps the picture's own scale."""
    crop_ratio: tuple[float, float] = (1.5, 2.1)
    """Width / height of a random crop."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    flip_vertical: float = 0.0
    """Probability of an upside-down flip, for pictures without an up, as under a microscope."""
    turn: float = 0.0
    """Probability of a 90-degree rotation, before the crop."""
    brightness: float = 0.35
    contrast: float = 0.35
    saturation: float = 0.35
    hue: float = 0.0
    """Largest change of hue, in turns of the colour circle, 0 to 0.5."""
    blur: float = 0.1
    """Probability of a Gaussian blur."""
    rain: float = 0.0
    glare: float = 0.0
    dark: float = 0.0
    jpeg: float = 0.0
    bars: float = 0.0
    bonnet: float = 0.0
    """Probabilities of the effects in `lanes.training.weather`."""
    stain: float = 0.0
    uneven: float = 0.0
    defocus: float = 0.0
    noise: float = 0.0
    """Probabilities of the effects in `lanes.training.microscope`."""
    sizes: tuple[tuple[float, tuple[int, int]], ...] = ()
    """Progressive training sizes, each with the share of the budget from which it applies, such as
    `[[0.0, [224, 384]], [0.5, [352, 640]]]` (Tan & Le 2021, arXiv:2104.00298). Empty = `size`,
    which validation and export always use."""
    mean: tuple[float, float, float] = (103.5, 116.3, 123.7)
    """BGR mean that the exported graph subtracts, 0..255."""
    std: tuple[float, float, float] = (57.4, 57.1, 58.4)
    """BGR deviation that the exported graph divides by, 0..255."""
    pretrained: bool = False
    """Whether the encoder starts from its architecture's ImageNet weights."""
    encoder_rate: float = 1.0
    """The encoder's share of the learning rate; below 1, it keeps more of its pretraining."""
    freeze: float = 0.0
    """Share of the budget, from the start, in which the encoder does not learn: for few images."""
    freeze_norms: bool = False
    """Whether batch normalisation keeps the means and deviations that it starts with."""
    choose_images: int = 0
    """At most so many images of each choosing split are scored in a validation; 0 = all."""
    patience: int = 0
    """The run ends after this many validations without a better one; 0 = never early."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the architecture's `build`."""

    @property
    def resize(self) -> Resize:
        """The input description for the model's card."""
        return Resize(self.size, mode=cast(Any, self.mode))

    def size_at(self, spent: float) -> tuple[int, int]:
        """The training size after the share `spent` of the budget."""
        return next((size for share, size in reversed(self.sizes) if spent >= share), self.size)

    def to_toml(self) -> str:
        """The settings that differ from the defaults, as the text of a TOML file."""
        changed = {
            f.name: _plain(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != f.default
        }
        tables = {key: value for key, value in changed.items() if isinstance(value, dict) and value}
        lines = [f"{k} = {_toml(v)}" for k, v in changed.items() if not isinstance(v, dict)]
        for name, table in tables.items():
            lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint or card stores them."""
        return {k: _plain(v) for k, v in dataclasses.asdict(self).items()}


def from_dict(values: dict[str, Any], where: str = "the configuration") -> TrainConfig:
    """Make a `TrainConfig`; raises `BadConfig` for an unknown or missing key or a wrong value."""
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    for key, value in values.items():
        if key not in fields:
            raise BadConfig(unknown(where, key, list(fields)))
        if not _fits(value, str(fields[key].type)):
            raise BadConfig(f"{where}: {key} = {value!r}; wanted {fields[key].type}")
    for key, field_ in fields.items():
        optional = field_.default is not dataclasses.MISSING
        if key not in values and not optional and field_.default_factory is dataclasses.MISSING:
            raise BadConfig(f"{where} lacks {key}, a {field_.type}")
    lists: dict[str, Any] = {k: v if isinstance(v, dict) else _frozen(v) for k, v in values.items()}
    config = TrainConfig(**lists)
    _check_ranges(config, where)
    return config


def read(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file; raises `BadConfig`.

    `changes` are lines of TOML that override the file's, such as `seed = 3` or
    `model_options.upsample = "bilinear"`.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"cannot read the configuration {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadConfig(f"{path} is not TOML: {error}") from error
    for line in changes:
        try:
            _merge(values, tomllib.loads(line))
        except ValueError as error:
            raise BadConfig(
                f"{line!r} is not KEY=VALUE in TOML ({error}); wanted seed=3 or name='\"text\"'"
            ) from error
    return from_dict(_with_task(values), str(path))


def _with_task(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with one's own classes for a task that is a file (classes.toml)."""
    task = values.get("task")
    if not isinstance(task, str) or not task.endswith(".toml"):
        return values
    try:
        return {**values, "task": own_classes(Path(task))}
    except BadInput as error:
        raise BadConfig(f"task = {task!r}: {error}") from error


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    """Put `changes` into `values`; a non-empty table is merged into the table of the same name."""
    for key, value in changes.items():
        if isinstance(value, dict) and value and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _fits(value: Any, kind: str) -> bool:
    """Whether `value`, as parsed from TOML, has the type written as `kind`."""
    name, _, inner = kind.rstrip("]").partition("[")
    if name == "tuple":
        if "tuple[" in inner:
            return _is_list(value) and all(_is_stage(v) for v in value)
        kinds = [k.strip() for k in inner.split(",")]
        if not _is_list(value) or (kinds[-1] != "..." and len(value) != len(kinds)):
            return False
        each = [kinds[0]] * len(value) if kinds[-1] == "..." else kinds
        return all(_fits(v, k) for v, k in zip(value, each, strict=True))
    if name == "dict":
        # model_options holds whatever the architecture's `build` takes.
        anything = inner.endswith("Any")
        return isinstance(value, dict) and (
            anything or all(_fits(v, "float") for v in value.values())
        )
    wanted = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}[name]
    return isinstance(value, wanted) and isinstance(value, bool) == (name == "bool")


def _is_stage(value: Any) -> bool:
    """Whether `value` is a pair of a share and a size."""
    return (
        _is_list(value)
        and len(value) == 2
        and _fits(value[0], "float")
        and _fits(value[1], "tuple[int, int]")
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if _is_list(value) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _check_ranges(config: TrainConfig, where: str) -> None:
    """Raise `BadConfig` for a value out of range."""
    wanted = {
        "at least 1": ("batch", "accumulate", "validate_every", "size"),
        "at least 0": (
            "warmup_steps", "workers", "weight_decay", "soft_weight", "class_weights", "weights",
            "brightness", "contrast", "saturation", "seed", "patience", "choose_images",
            "cell_diameter",
        ),
        "above 0": ("learning_rate", "clip_norm", "std", "crop_area", "crop_ratio"),
        "0 to 0.5": ("hue",),
        "0 to 1": (
            "ema_decay", "flip", "flip_vertical", "turn", "blur", "encoder_rate", "rain", "glare",
            "dark", "jpeg", "bars", "bonnet", "freeze", "stain", "uneven", "defocus",
            "noise",
        ),
    }  # fmt: skip
    bounds: dict[str, Callable[[float], bool]] = {
        "at least 1": lambda v: v >= 1,
        "at least 0": lambda v: v >= 0,
        "above 0": lambda v: v > 0,
        "0 to 0.5": lambda v: 0 <= v <= 0.5,
        "0 to 1": lambda v: 0 <= v <= 1,
    }
    for words, keys in wanted.items():
        for key in keys:
            value = getattr(config, key)
            numbers = value.values() if isinstance(value, dict) else value
            numbers = numbers if not isinstance(value, (int, float)) else (value,)
            if not all(bounds[words](v) for v in numbers):
                raise BadConfig(f"{where}: {key} = {_plain(value)}; wanted {words}")
    for key in ("crop_area", "crop_ratio"):
        low, high = getattr(config, key)
        if low > high:
            raise BadConfig(f"{where}: {key} = {[low, high]}; wanted the smaller number first")
    if config.batch % config.accumulate:
        raise BadConfig(
            f"{where}: accumulate = {config.accumulate} does not divide batch = {config.batch}"
        )
    shares = [share for share, _ in config.sizes]
    if shares and (shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1):
        raise BadConfig(
            f"{where}: sizes start at {shares}; wanted shares that rise from 0, all below 1"
        )
    if any(side < 1 for _, size in config.sizes for side in size):
        raise BadConfig(f"{where}: sizes = {_plain(config.sizes)}; wanted sides of at least 1")
    if config.mode not in MODES:
        raise BadConfig(unknown(f"{where}: mode", config.mode, list(MODES)))
    if config.precision not in PRECISIONS:
        raise BadConfig(unknown(f"{where}: precision", config.precision, list(PRECISIONS)))


def _toml(value: Any) -> str:
    """A plain value in TOML, whose scalars and lists look like those of JSON."""
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
