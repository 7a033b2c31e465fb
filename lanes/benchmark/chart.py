"""Benchmark charts: accuracy against latency, or latency alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lanes import plugins
from lanes.benchmark.models import Benchmark, Figures
from lanes.metrics.figures import Figure as Score
from lanes.system.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIBRARY = "matplotlib"
MARKERS = "oDsv^P*X"
DOTS = 150
"""Dots per inch."""
LOGARITHMIC_FROM = 10
"""If the slowest takes more than this many times the fastest, the axis is logarithmic."""
LEAST_SPAN = 0.1
"""Minimum span of an accuracy axis; accuracy is 0..1."""


def check_library() -> None:
    """Raise `MissingDependency` if charts cannot be drawn here."""
    if not plugins.installed(LIBRARY):
        raise plugins.missing("--chart", LIBRARY)


def write_chart(found: Benchmark, path: Path) -> None:
    """Write a PNG; raises `MissingDependency` or `BadOutput`."""
    check_library()
    scored = any(one.accuracy for one in found.figures)
    figure = _against_accuracy(found) if scored else _bars(found)
    with atomic_file(path) as part:
        figure.savefig(part, dpi=DOTS, format="png")


def _bars(found: Benchmark) -> Figure:
    """One bar per configuration: its median latency, with a whisker to the 95th percentile."""
    from matplotlib.figure import Figure

    rows = _rows(found.figures)
    colours = _colours([one.configuration.backend for one in found.figures])
    figure = Figure(figsize=(8, 1.4 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for y, row in enumerate(rows):
        if isinstance(row, str):
            axes.text(0, y, row, weight="bold", va="center", ha="left")
            continue
        p50, p95 = row.timing.p50 * 1e3, row.timing.p95 * 1e3
        axes.barh(y, p50, height=0.7, color=colours[row.configuration.backend])
        axes.plot([p50, p95], [y, y], color="0.3", linewidth=1)
        label = f"{p50:.1f} ms" if p50 < 100 else f"{p50:.0f} ms"
        axes.annotate(
            label, (max(p50, p95), y), (4, 0), textcoords="offset points", va="center", size=8
        )
    names = ["" if isinstance(row, str) else row.configuration.engine for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(one.timing.p95 * 1e3 for one in found.figures))
    axes.set_xlabel("ms for one image: median, and line to the 95th percentile")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    _sign(figure, "Latency", found)
    return figure


def _against_accuracy(found: Benchmark) -> Figure:
    """One panel per accuracy figure, one point per configuration; top left is best."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    scored = [one for one in found.figures if one.accuracy]
    points: dict[str, list[tuple[Figures, Score]]] = {}
    for one in scored:
        for score in one.accuracy:
            points.setdefault(score.full_name, []).append((one, score))
    colours = _colours([one.configuration.model for one in scored])
    engines = list(dict.fromkeys(one.configuration.engine for one in scored))
    markers = dict(zip(engines, MARKERS * len(engines), strict=False))
    columns = 2 if len(points) == 4 else min(len(points), 3)
    rows = -(-len(points) // columns)
    figure = Figure(figsize=(1 + 3.6 * columns, 1.9 + 3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, scores in zip(panels, points.values(), strict=False):
        for one, score in scores:
            axes.plot(
                one.timing.p50 * 1e3,
                score.value,
                marker=markers[one.configuration.engine],
                color=colours[one.configuration.model],
                markersize=8,
                alpha=0.85,
                linestyle="",
            )
        axes.set(
            title=f"{score.dataset} {score.measure}".strip(),
            xlabel="ms for one image (median)",
            ylabel=score.kind.display,
        )
        _scale(axes, [one.timing.p50 * 1e3 for one in scored])
        axes.grid(alpha=0.3)
    for axes in panels[len(points) :]:
        axes.set_visible(False)
    keys = [(Path(model).name, "s", colour) for model, colour in colours.items()]
    keys += [(engine, marker, "0.4") for engine, marker in markers.items()]
    handles = [
        Line2D([], [], linestyle="", label=name, marker=marker, color=colour)
        for name, marker, colour in keys
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
    _sign(figure, "Accuracy against latency", found)
    return figure


def _rows(figures: Sequence[Figures]) -> list[str | Figures]:
    """Each model's name, followed by its configurations, fastest first."""
    rows: list[str | Figures] = []
    for model in dict.fromkeys(one.configuration.model for one in figures):
        mine = [one for one in figures if one.configuration.model == model]
        rows += [Path(model).name, *sorted(mine, key=lambda one: one.timing.p50)]
    return rows


def _colours(names: Sequence[str]) -> dict[str, str]:
    """A colour of matplotlib's cycle for each name."""
    return {name: f"C{index % 10}" for index, name in enumerate(dict.fromkeys(names))}


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """Start x at 0, or make it logarithmic if a few slow ones would squeeze the others together.

    The y axis spans at least `LEAST_SPAN`, so that equal accuracies look equal.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    if max(values) > LOGARITHMIC_FROM * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, 1.1 * max(values))
    low, high = axes.get_ylim()
    missing = max(LEAST_SPAN - (high - low), 0)
    axes.set_ylim(low - missing / 2, high + missing / 2)


def _sign(figure: Figure, title: str, found: Benchmark) -> None:
    """Add the title, with the machine: times mean nothing without it."""
    machine = found.machine
    figure.suptitle(f"{title}: {machine.processor}, {machine.cores} cores", size="medium")
