"""Every number of a run, read from one TOML file and written whole into checkpoint and card."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lanes.errors import BadConfig
from lanes.images.resize import MODES, Resize
from lanes.plugins import unknown

PRECISIONS = ("auto", "bf16-mixed", "32-true")


@dataclass(frozen=True)
class TrainConfig:
    """The numbers of a run; an unknown key is an error. Sizes are (height, width) in pixels."""

    task: str
    model: str
    size: tuple[int, int]
    """The network's input."""
    weights: dict[str, float]
    """How often a sample comes from each data set, relative to the others."""
    mode: str = "stretch"
    """How a picture comes to the network's input, one of `lanes.images.resize.MODES`."""
    seed: int = 0
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 200
    """Steps in which the learning rate rises from 0 (at most half of a short run), while it falls
    to 0 along a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts)."""
    clip_norm: float = 5.0
    """Gradients of a greater norm are scaled down to it."""
    ema_decay: float = 0.998
    """Memory of the averaged weights, which are those that are validated and exported."""
    precision: str = "auto"
    """One of `PRECISIONS`; "auto" is bf16 where the processor has it, else fp32."""
    workers: int = 1
    """Processes that read and augment samples; 0 = the training's own."""
    class_weights: tuple[float, ...] = ()
    """Loss weight of each class; empty = all 1."""
    logit_bias: tuple[float, ...] = ()
    """Added to each class's logit after training, in what is exported; empty = 0. Validation does
    not use it: it is chosen on the finished weights, on the "choose" splits."""
    soft_weight: float = 1.0
    """Weight of the teacher's term beside the truth's."""
    teachers: str = ""
    """A cache of lanes teach, outside the project: what two networks say of the frames that
    are learned. Choosing and judging is by truth alone."""
    distilled: str = ""
    """The folder of a teacher's maps, of `lanes distill`; empty: there is no teacher."""
    validate_every: int = 500
    """Steps between validations on the choosing split."""
    train_split: str = "train"
    """The split that is learned; some data sets have others, such as CamVid's "trainval"."""
    keep_last: bool = False
    """Whether the last weights are kept, rather than the best on the choosing split: for a run
    that learns its choosing split too, and so may not choose by it."""
    crop_area: tuple[float, float] = (0.4, 1.0)
    """Share of the picture that a random crop keeps; of the network's input in mode "tile", where
    a crop of 1.0 has the picture's own scale."""
    crop_ratio: tuple[float, float] = (1.5, 2.1)
    """Width / height of a random crop."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    flip_vertical: float = 0.0
    """Probability of a flip upside down: where a picture has no up, as under a microscope."""
    turn: float = 0.0
    """Probability of a quarter turn, before the crop."""
    brightness: float = 0.35
    contrast: float = 0.35
    saturation: float = 0.35
    hue: float = 0.0
    """Greatest change of hue, in turns of the colour circle, 0 to 0.5."""
    blur: float = 0.1
    """Probability of a Gaussian blur."""
    rain: float = 0.0
    glare: float = 0.0
    dark: float = 0.0
    jpeg: float = 0.0
    bars: float = 0.0
    bonnet: float = 0.0
    """Probabilities of what `lanes.training.weather` draws."""
    sizes: tuple[tuple[float, tuple[int, int]], ...] = ()
    """Progressive sizes: from which share of the budget on which size the network learns, such as
    `[[0.0, [224, 384]], [0.5, [352, 640]]]` (Tan & Le 2021, arXiv:2104.00298). Empty: `size`, which
    validation and export always have."""
    mean: tuple[float, float, float] = (103.5, 116.3, 123.7)
    """BGR mean that the exported graph subtracts, 0..255."""
    std: tuple[float, float, float] = (57.4, 57.1, 58.4)
    """BGR deviation that the exported graph divides by, 0..255."""
    pretrained: bool = False
    """Whether the encoder begins with the ImageNet weights that its architecture knows."""
    encoder_rate: float = 1.0
    """The encoder's share of the learning rate: below 1, it keeps more of what it knows."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the architecture's `build`."""

    @property
    def resize(self) -> Resize:
        """What the model's card will say of its input."""
        return Resize(self.size, mode=cast(Any, self.mode))

    def size_at(self, spent: float) -> tuple[int, int]:
        """The size that the network learns on where the share `spent` of the budget is used up."""
        return next((size for share, size in reversed(self.sizes) if spent >= share), self.size)

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
            raise BadConfig(f"{where}: {key} = {value!r} is no {fields[key].type}")
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

    `changes` are lines of TOML that take the place of the file's, such as `seed = 3` or
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
                f"{line!r} is no KEY=VALUE of TOML ({error}); wanted seed=3 or name='\"text\"'"
            ) from error
    return from_dict(values, str(path))


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    """Put `changes` into `values`; a table that is not empty changes the table of its name."""
    for key, value in changes.items():
        if isinstance(value, dict) and value and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _fits(value: Any, kind: str) -> bool:
    """Whether `value`, as TOML gives it, is of the type written as `kind`."""
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
    """Whether `value` is a share and a size."""
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
    """Raise `BadConfig` for a number that no run can have."""
    wanted = {
        "at least 1": ("batch", "validate_every", "size"),
        "at least 0": (
            "warmup_steps", "workers", "weight_decay", "soft_weight", "class_weights", "weights",
            "brightness", "contrast", "saturation", "seed",
        ),
        "above 0": ("learning_rate", "clip_norm", "std", "crop_area", "crop_ratio"),
        "0 to 0.5": ("hue",),
        "0 to 1": (
            "ema_decay", "flip", "flip_vertical", "turn", "blur", "encoder_rate", "rain", "glare",
            "dark", "jpeg", "bars", "bonnet",
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
    shares = [share for share, _ in config.sizes]
    if shares and (shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1):
        raise BadConfig(
            f"{where}: sizes begin at {shares}; wanted shares that rise from 0, below 1"
        )
    if any(side < 1 for _, size in config.sizes for side in size):
        raise BadConfig(f"{where}: sizes = {_plain(config.sizes)}; wanted sides of at least 1")
    if config.mode not in MODES:
        raise BadConfig(unknown(f"{where}: mode", config.mode, list(MODES)))
    if config.precision not in PRECISIONS:
        raise BadConfig(unknown(f"{where}: precision", config.precision, list(PRECISIONS)))


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
