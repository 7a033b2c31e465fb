"""Plans a benchmark: which models or other networks, in which backends, at which precisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lanes import assets, backends, plugins
from lanes import card as cards
from lanes.benchmark import network
from lanes.card import ModelCard
from lanes.errors import BadInput, LanesError, MissingDependency, UnknownName
from lanes.metrics import evaluate
from lanes.types import Dataset


@dataclass(frozen=True)
class Configuration:
    """A model (name or folder), or another network's file, in a backend at a precision.

    `shape` is the input shape of another network; None for our models.
    """

    model: str
    backend: str
    precision: str
    device: str | None = None
    threads: int | None = None
    shape: tuple[int, ...] | None = None

    @property
    def engine(self) -> str:
        """Backend and precision."""
        return f"{self.backend} {self.precision}"

    def __str__(self) -> str:
        return f"{self.model} in {self.engine}"


@dataclass(frozen=True)
class Data:
    """A split of a data set, to score models of its task."""

    name: str
    root: str
    split: str

    def open(self) -> Dataset:
        """Open the split; raises `UnknownName` or `BadDataset`."""
        return evaluate.open_dataset(self.name, self.root, self.split)


@dataclass(frozen=True)
class Plan:
    """The configurations, the data for each model, and why some backends are left out."""

    configurations: tuple[Configuration, ...]
    data: dict[str, tuple[Data, ...]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanOptions:
    """The user's options; see `lanes benchmark models --help`. Empty means all."""

    models: Sequence[str] = ()
    networks: Sequence[Path] = ()
    shape: str = ""
    backends: Sequence[str] = ()
    precisions: Sequence[str] = ()
    device: str | None = None
    threads: int | None = None
    data: Sequence[str] = ()
    split: str = "val"


def plan(options: PlanOptions) -> Plan:
    """All configurations that match `options` and run on this machine.

    Raises:
        UnknownName: no model, backend, precision, data set or split of that name.
        MissingDependency, BackendError: a requested backend cannot be loaded here.
        BadModel, BadDataset: a model, network or data set cannot be read.
        BadInput: data that fits no model's task, or contradictory options.
    """
    if options.threads is not None and options.threads < 1:
        raise BadInput(
            f"--threads {options.threads}: wanted 1 or more; leave it out to use all cores"
        )
    # With --onnx, compare only with models that are named.
    models = options.models or (() if options.networks else assets.model_names())
    folders = {model: assets.model_folder(model) for model in models}
    cards_of = {model: cards.read(folder) for model, folder in folders.items()}
    names, left_out = _loadable(options.backends, options.device)
    if options.shape and not options.networks:
        raise BadInput(f"--shape {options.shape} needs a network: add --onnx")
    able = {
        (model, name): backends.precisions(name, options.device, folder)
        for model, folder in folders.items()
        for name in names
    }
    for path in options.networks:
        able |= {(str(path), name): network.precisions(name, options.device) for name in names}
    _check_precisions(options.precisions, able)
    shapes = {str(path): network.shape_of(path, options.shape) for path in options.networks}
    configurations = tuple(
        Configuration(model, name, precision, options.device, options.threads, shapes.get(model))
        for (model, name), precisions in able.items()
        for precision in precisions
        if not options.precisions or precision in options.precisions
    )
    data = [data_of(pair, options.split) for pair in options.data]
    return Plan(configurations, _by_model(data, cards_of), left_out)


def _loadable(names: Sequence[str], device: str | None) -> tuple[list[str], dict[str, str]]:
    """The backends that load here, and why others do not; raises if `names` has one that fails."""
    loadable: list[str] = []
    left_out: dict[str, str] = {}
    for name in names or plugins.names("backends"):
        try:
            backends.precisions(name, device)
        except LanesError as error:
            if names:
                raise
            left_out[name] = str(error)
        else:
            loadable.append(name)
    if not loadable:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise MissingDependency(f"no backend can be loaded: {reasons}")
    return loadable, left_out


def _check_precisions(
    wanted: Sequence[str], able: Mapping[tuple[str, str], tuple[str, ...]]
) -> None:
    known = sorted({precision for found in able.values() for precision in found})
    names = sorted({name for _, name in able})
    for precision in wanted:
        if precision not in known:
            where = f"this machine, with {', '.join(names)},"
            raise UnknownName(plugins.unknown(where, precision, known))


def data_of(pair: str, split: str) -> Data:
    """The data set of an option `--data NAME=ROOT`; raises `BadInput`."""
    name, _, root = pair.partition("=")
    if not name:
        raise BadInput(f"--data {pair!r}: wanted NAME=ROOT, for example bdd100k=/data/bdd100k")
    return Data(name, root, split)


def _by_model(
    data: Sequence[Data], cards_of: Mapping[str, ModelCard]
) -> dict[str, tuple[Data, ...]]:
    """The data sets for each model: those of its task."""
    tasks = {one: one.open().TASK for one in data}
    for one, task in tasks.items():
        if not any(card.task == task for card in cards_of.values()):
            models = ", ".join(f"{model} of {card.task!r}" for model, card in cards_of.items())
            raise BadInput(
                f"the data set {one.name} has the task {task!r}, but the models are "
                f"{models or 'not named'}: name a model of {task!r}, or use other data"
            )
    return {
        model: tuple(one for one, task in tasks.items() if task == card.task)
        for model, card in cards_of.items()
    }
