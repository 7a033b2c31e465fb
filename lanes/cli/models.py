"""Implements `lanes models`: lists models and architectures, prints cards and layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lanes import assets, plugins
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import UnknownName

if TYPE_CHECKING:
    from lanes.models._network import Network

SIZE = (360, 480)
"""Input (height, width) at which architectures are compared: CamVid's in SegNet's paper."""
CLASSES = 11
"""Number of classes of an architecture without weights, as in CamVid."""
TRAINING_LIBRARY = "torch"


def list_models() -> int:
    """Print the included models, and the architectures if PyTorch is installed."""
    console = Console()
    table = _narrow("model", "task", "architecture", "params", "GFLOP", "input", right=range(3, 6))
    int8: list[str] = []
    weights: dict[str, list[str]] = {}
    free: list[str] = []
    restricted: list[str] = []
    for name in assets.model_names():
        card = cards.read(assets.model_folder(name))
        weights.setdefault(card.architecture, []).append(name)
        (restricted if card.restricted else free).append(name)
        table.add_row(name, card.task, card.architecture, *_size_of(card))
        int8 += [f"{name} in int8: {metric} {cost}" for metric, cost in _int8_costs(card)]
    console.print(table)
    lines = [*int8, *_free_or_not(free, restricted)]
    console.print("\n".join(lines), highlight=False, markup=False)
    if not plugins.installed(TRAINING_LIBRARY):
        missing = str(plugins.missing("the list of architectures", TRAINING_LIBRARY))
        console.print(missing, soft_wrap=True, highlight=False, markup=False)
        return 0
    height, width = SIZE
    cost_there = f"GFLOP at {width}x{height}"
    built = _narrow("architecture", "params", cost_there, "weights", right=range(1, 3))
    for name in plugins.names("models"):
        network = _build(name, CLASSES, {})
        parameters = f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M"
        cost = f"{_gflop(network, SIZE):.2f}"
        built.add_row(name, parameters, cost, ", ".join(weights.get(name, [])))
    console.print()
    console.print(built)
    return 0


def _free_or_not(free: list[str], restricted: list[str]) -> Iterator[str]:
    if free:
        yield f"Free for any use: {', '.join(free)}"
    if restricted:
        yield f"Restricted use (lanes models --terms): {', '.join(restricted)}"


def list_terms() -> int:
    """Print the training data of each included model, and their terms."""
    console = Console()
    for number, name in enumerate(assets.model_names()):
        card = cards.read(assets.model_folder(name))
        if number:
            console.print()
        use = "restricted" if card.restricted else "free"
        if card.restricted and card.data:
            use += f" by {', '.join(card.restricted)}"
        console.print(f"{name}: {use}", style="bold", highlight=False, markup=False)
        table = Table.grid(padding=(0, 2, 0, 0))
        for data in card.data:
            table.add_row(f"  {data.name}", Text(f"{data.what}\nTerms: {data.terms}"))
        if not card.data:
            table.add_row("", Text(f"Terms: {card.terms}"))
        console.print(table)
    return 0


def _narrow(*headers: str, right: range) -> Table:
    """A table without a border, for 80 columns: text columns wrap, number columns do not."""
    table = Table(*headers, box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for number, column in enumerate(table.columns):
        column.overflow = "fold"
        if number in right:
            column.justify, column.no_wrap = "right", True
    return table


def show_model(name: str) -> int:
    """Print a model's card and layers, or the layers of an architecture.

    Raises:
        UnknownName: `name` is neither a model nor an architecture.
        MissingDependency: `name` is an architecture, and PyTorch is not installed.
    """
    console = Console()
    if name in assets.model_names():
        card = cards.read(assets.model_folder(name))
        _print_card(console, card)
        options = card.training.get("config", {}).get("model_options", {})
        architecture, classes, size = card.architecture, len(card.classes), card.resize.size
    elif name in plugins.names("models"):
        architecture, classes, size, options = name, CLASSES, SIZE, {}
    else:
        known = [*assets.model_names(), *plugins.names("models")]
        raise UnknownName(plugins.unknown("lanes models", name, known))
    if not plugins.installed(TRAINING_LIBRARY):
        missing = plugins.missing(f"the layers of {name}", TRAINING_LIBRARY)
        if name in plugins.names("models"):
            raise missing
        console.print(str(missing), soft_wrap=True, highlight=False, markup=False)
        return 0
    _print_layers(console, architecture, classes, size, options)
    return 0


def _int8_costs(card: ModelCard) -> Iterator[tuple[str, str]]:
    """Each metric that quantisation changed, with its int8 and fp32 values as text."""
    for metric, cost in card.int8.items():
        yield metric, f"{cost['int8']:.3f} instead of {cost['fp32']:.3f}"


def _size_of(card: ModelCard) -> tuple[str, str, str]:
    return f"{card.parameters / 1e6:.2f} M", f"{card.gflop:.2f}", str(card.resize)


def _print_card(console: Console, card: ModelCard) -> None:
    parameters, cost, size = _size_of(card)
    table = Table(show_header=False, box=None, title=card.name, title_justify="left")
    table.add_row("task", f"{card.task}: {', '.join(card.classes)}")
    table.add_row("architecture", f"{card.architecture}, {parameters}, {cost} GFLOP at {size}")
    for use in card.data:
        table.add_row("trained on", f"{use.name}: {use.what}")
    table.add_row("terms", card.terms)
    if command := card.training.get("command"):
        table.add_row("made by", str(command))
    for figure, value in card.metrics.items():
        table.add_row(figure, f"{value:.3f}")
    for metric, cost in _int8_costs(card):
        table.add_row(f"int8, {metric}", cost)
    console.print(table, markup=False)


def _print_layers(
    console: Console, architecture: str, classes: int, size: tuple[int, int], options: Any
) -> None:
    from lanes.models import _layers

    found = _layers.layers(_build(architecture, classes, options), size)
    height, width = size
    table = Table(
        "layer", "kind", "channels", "size", "parameters", "GFLOP",
        title=f"{architecture} at {width}x{height}, {classes} classes", title_justify="left",
    )  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    table.columns[0].overflow = "fold"
    for layer in found:
        channels, *rest = layer.shape
        shown = "x".join(str(n) for n in reversed(rest))
        cost = f"{layer.gflop:.3f}" if layer.gflop else ""
        parameters = f"{layer.parameters:,}" if layer.parameters else ""
        table.add_row(layer.name, layer.kind, str(channels), shown, parameters, cost)
    parameters = f"{sum(layer.parameters for layer in found):,}"
    cost = f"{sum(layer.gflop for layer in found):.3f}"
    table.add_section()
    table.add_row("total", "", "", "", parameters, cost)
    console.print(table)


def _build(name: str, classes: int, options: dict[str, object]) -> Network:
    """The architecture on the meta device, which allocates no memory."""
    import torch

    from lanes.models import _network

    with torch.device("meta"):
        return _network.build(name, classes, (0.0,) * 3, (1.0,) * 3, options)


def _gflop(network: Network, size: tuple[int, int]) -> float:
    from lanes.models import _layers

    return _layers.gflop(network, size)
