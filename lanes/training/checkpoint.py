"""Checkpoints of a run: weights, their running mean, the optimiser, and all settings."""

from __future__ import annotations

import io
import pickle
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lanes import tasks
from lanes.errors import BadConfig, BadInput, LanesError
from lanes.models import _network
from lanes.models._network import Network
from lanes.system.atomic import atomic_file, make_folder
from lanes.training import config as configs
from lanes.training.config import TrainConfig

DISK_CURE = "free some space; the last checkpoint is kept, --resume goes on from it"
RETIRED = ("soft_ignore",)
"""Settings of older checkpoints that no longer exist."""
IMAGENET = "imagenet"
"""Listed as a data set of networks whose encoder started from ImageNet weights."""


@dataclass
class Checkpoint:
    """The state of a run after `step` of `steps`; `run` holds its history as plain values."""

    config: TrainConfig
    data: dict[str, str]
    step: int
    steps: int
    network: dict[str, Any]
    ema: dict[str, Any]
    optimizer: dict[str, Any]
    metrics: dict[str, float]
    run: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write atomically to `path`; raises `BadOutput`."""
        make_folder(path.parent)
        # In memory first: on a full disk torch raises its own error, not the system's.
        buffer = io.BytesIO()
        torch.save({**vars(self), "config": self.config.to_dict()}, buffer)
        with atomic_file(path, cure=DISK_CURE) as part:
            part.write_bytes(buffer.getbuffer())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint without executing any code in it; raises `BadInput`."""
    if not path.is_file():
        raise BadInput(f"no checkpoint {path}: give the .pt file that a training run wrote")
    try:
        with warnings.catch_warnings():
            # torch warns about pickle protocols in files that it then rejects.
            warnings.simplefilter("ignore")
            values = torch.load(path, weights_only=True, map_location="cpu")
        numbers = values.pop("config")
        numbers = {k: v for k, v in numbers.items() if k not in RETIRED}
        config = configs.from_dict(numbers, str(path))
        return Checkpoint(config=config, **values)
    except LanesError:
        raise
    except pickle.UnpicklingError as error:
        raise BadInput(
            f"{path} holds more than weights, or is damaged: not loaded; use a checkpoint of lanes"
        ) from error
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise BadInput(f"{path} is not a checkpoint of lanes: {reason}") from error
    except OSError as error:
        raise BadInput(f"cannot read the checkpoint {path}: {error.strerror}") from error


def network_of(checkpoint: Checkpoint, ema: bool = True) -> Network:
    """The trained network with its logit bias, ready to run; averaged weights unless not `ema`.

    Raises:
        BadInput: the weights do not fit the architecture that the checkpoint names.
    """
    network = build(checkpoint.config)
    fill(network, checkpoint, ema)
    if checkpoint.config.logit_bias:
        network.add_to_logits(checkpoint.config.logit_bias)
    return network.eval()


def fill(network: Network, checkpoint: Checkpoint, ema: bool = True) -> None:
    """Load the checkpoint's averaged weights into `network`; the last step's weights unless `ema`.

    Raises:
        BadInput: the weights do not fit the network's architecture.
    """
    try:
        network.load_state_dict(checkpoint.ema if ema else checkpoint.network)
    except RuntimeError as error:
        raise BadInput(
            f"the checkpoint's weights do not fit models/{checkpoint.config.model}.py: {error}"
        ) from error


def learned_from(checkpoint: Checkpoint) -> list[str | dict[str, str]]:
    """All data sets behind the weights, including those before `init`: names, or uses of a card.

    A use is a `DataUse` as plain values, copied from the card of the first weights.
    """
    own = [*checkpoint.data, *([IMAGENET] if checkpoint.config.pretrained else [])]
    before = checkpoint.run.get("before", [])
    return own + [
        one for one in before if (one["name"] if isinstance(one, dict) else one) not in own
    ]


def with_logit_bias(checkpoint: Checkpoint, bias: tuple[float, ...]) -> Checkpoint:
    """The checkpoint with another logit bias, one number per class, and without metrics.

    Raises:
        BadConfig: the number of values differs from the number of classes.
    """
    classes = tasks.load(checkpoint.config.task).class_names
    if len(bias) != len(classes):
        raise BadConfig(f"logit bias {bias}; wanted {len(classes)} numbers, for {classes}")
    return replace(checkpoint, config=replace(checkpoint.config, logit_bias=bias), metrics={})


def build(config: TrainConfig) -> Network:
    """The network that `config` describes, freshly initialised."""
    classes = len(tasks.load(config.task).classes)
    return _network.build(
        config.model, classes, config.mean, config.std, dict(config.model_options)
    )
