"""Every number of a run, read from one TOML file and written whole into checkpoint and card."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lanes.errors import BadConfig
from lanes.plugins import unknown


@dataclass(frozen=True)
class TrainConfig:
    """The numbers of a run; an unknown key is an error. Sizes are (height, width) in pixels."""

    task: str
    model: str
    size: tuple[int, int]
    """The network's input."""
    weights: dict[str, float]
    """How often a sample comes from each data set, relative to the others."""
    seed: int = 0
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 200
    """Steps in which the learning rate rises from 0; then it falls to 0 along a cosine."""
    ema_decay: float = 0.998
    precision: str = "auto"
    """"auto" (bf16 where the processor has it), "bf16-mixed" or "32-true"."""
    workers: int = 1
    class_weights: tuple[float, ...] = ()
    """Loss weight of each class; empty = all 1."""
    soft_weight: float = 1.0
    """Weight of the teacher's term beside the truth's."""
    soft_ignore: tuple[float, float] = (0.25, 0.75)
    """A teacher's probability between these is not used."""
    validate_every: int = 500
    """Steps between validations on the choosing tenth."""
    crop_area: tuple[float, float] = (0.4, 1.0)
    """Share of the picture that a random crop keeps."""
    crop_ratio: tuple[float, float] = (1.5, 2.1)
    """Width / height of a random crop."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    brightness: float = 0.35
    contrast: float = 0.35
    saturation: float = 0.35
    blur: float = 0.1
    """Probability of a Gaussian blur."""
    mean: tuple[float, float, float] = (103.5, 116.3, 123.7)
    """BGR mean that the exported graph subtracts, 0..255."""
    std: tuple[float, float, float] = (57.4, 57.1, 58.4)
    """BGR deviation that the exported graph divides by, 0..255."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the architecture's `build`."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint or card stores them."""
        return {k: _plain(v) for k, v in dataclasses.asdict(self).items()}


def from_dict(values: dict[str, Any], where: str = "the configuration") -> TrainConfig:
    """Make a `TrainConfig`; raises `BadConfig` for an unknown, missing or mistyped key."""
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    for key, value in values.items():
        if key not in fields:
            raise BadConfig(unknown(where, key, list(fields)))
        _check_kind(key, value, fields[key], where)
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return TrainConfig(**lists)
    except TypeError as error:
        raise BadConfig(f"{where}: {error}") from error


def read(path: Path) -> TrainConfig:
    """Read a TOML file; raises `BadConfig`."""
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadConfig(f"cannot read the configuration {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path} is not TOML: {error}") from error
    return from_dict(values, str(path))


def _check_kind(key: str, value: Any, field_: dataclasses.Field[Any], where: str) -> None:
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "dict": (dict,),
        "tuple": (list, tuple),
    }
    wanted = str(field_.type).partition("[")[0]
    if not isinstance(value, kinds[wanted]) or isinstance(value, bool):
        raise BadConfig(f"{where}: {key} = {value!r} is no {field_.type}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
