"""Plots of a finished run: its curves, and images with truth and prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray

from lanes import tasks
from lanes.datasets._files import image_files
from lanes.draw.contact_sheet import triple, worst_best
from lanes.draw.readable import readable
from lanes.draw.text import paragraph
from lanes.metrics.dataset_scores import score
from lanes.metrics.figures import headlines, of_log
from lanes.training import checkpoint as checkpoints
from lanes.training import log, mix
from lanes.training.checkpoint import Checkpoint
from lanes.training.config import TrainConfig
from lanes.training.labelling import labeller
from lanes.types import Dataset, Image, LabelMap, Task
from lanes.video.output_files import write_image

CURVES, SAMPLES, WORST_BEST = "curves.png", "samples.png", "worst_best"
MARKED = 40
"""Curves of fewer points have a marker at each."""
PER_DATASET = 8
CELL = (180, 320)
"""Size of a picture on the sheet (height, width)."""
Rows: TypeAlias = list[tuple[int, str, float]]
"""Step, name, value."""
Values: TypeAlias = NDArray[np.float64]


def write(folder: Path, best: Checkpoint) -> list[Path]:
    """Write the pictures of `best` into `folder`: curves (if there is a log), samples, worst."""
    written = []
    rows = log.rows(folder)
    if rows:
        curves(rows, best.step).savefig(folder / CURVES, dpi=110)
        written.append(folder / CURVES)
    datasets = mix.open_all(best.data, "choose", best.config.task)
    label = labeller(checkpoints.network_of(best), best.config)
    picture = sheet(datasets, label, tasks.load(best.config.task))
    write_image(folder / SAMPLES, picture)
    written.append(folder / SAMPLES)
    for name, dataset in datasets.items():
        path = folder / f"{WORST_BEST}{f'_{name}' if len(datasets) > 1 else ''}.png"
        write_image(path, ranked(dataset, name, label, best.config))
        written.append(path)
    return written


def ranked(
    dataset: Dataset, name: str, label: Callable[[Image], LabelMap], config: TrainConfig
) -> Image:
    """A sheet (BGR) of the worst and the best images of a choosing split, with their files."""
    task = tasks.load(config.task)
    chosen = mix.spread(dataset, config.choose_images)
    scores = score(dataset, label, chosen)
    files = image_files(dataset)
    captions = [""] * len(dataset)
    for index, value in zip(chosen, scores.of_images(), strict=True):
        captions[index] = f"{files[index].name if files else index}: {value:.3f}"
    ranking = [chosen[place] for place in scores.ranking()]
    title = f"{name}, choosing split: the mean of IoU and F4 of each image"
    return worst_best(ranking, captions, dataset, label, task, title)


def curves(rows: Rows, best_step: int) -> Figure:
    """Loss, learning rate and the figures of the choosing splits by step."""
    names = list(dict.fromkeys(name for _, name, _ in rows))
    figure = Figure(figsize=(10, 11), layout="constrained")
    loss, rate, choice = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1.5, 4])
    _line(loss, rows, "loss", color="0.75", linewidth=0.8, label="each logged step")
    steps, smooth = _smoothed(*_points(rows, "loss"))
    marker = "o" if len(steps) < MARKED else ""
    loss.plot(steps, smooth, color="tab:blue", marker=marker, markersize=3, label="running mean")
    loss.set(title="Training loss", ylabel="loss")
    # A high initial loss would flatten the rest of the curve.
    if len(smooth):
        loss.set_ylim(0, 1.1 * max(float(np.max(smooth[len(smooth) // 20 :])), 1e-6))
    loss.legend()
    _line(rate, rows, "learning rate", color="tab:green", marker=marker, markersize=3)
    rate.set(title="Learning rate", ylabel="rate")
    for headline in headlines(of_log(names)):
        name = headline.full_name
        _line(choice, rows, name, marker="o", markersize=3, label=readable(name, _in_font))
    choice.axvline(best_step, color="black", linestyle=":", label=f"best: step {best_step}")
    choice.set(title="Choosing splits", ylabel="IoU, F4", xlabel="step", ylim=(0, 1))
    choice.legend(fontsize="small", ncols=2)
    for axes in (loss, rate, choice):
        axes.grid(alpha=0.3)
    return figure


def _in_font(char: str) -> bool:
    """Whether Matplotlib's font has a character; it would draw a box for others."""
    return get_font(findfont(FontProperties())).get_char_index(ord(char)) != 0


def _points(rows: Rows, name: str) -> tuple[Values, Values]:
    pairs = [(step, value) for step, key, value in rows if key == name and np.isfinite(value)]
    found = np.array(pairs, np.float64)
    found = found.reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _line(axes: Axes, rows: Rows, name: str, **style: Any) -> None:
    axes.plot(*_points(rows, name), **style)


def sheet(datasets: Mapping[str, Dataset], label: Callable[[Image], LabelMap], task: Task) -> Image:
    """A sheet (BGR) with eight images per data set, each with truth and prediction."""
    parts = []
    for name, dataset in datasets.items():
        count = min(PER_DATASET, len(dataset))
        # Spread over the split: neighbours in a folder often belong to one drive.
        chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
        triples = [triple(dataset[int(i)], dataset, label, task, CELL) for i in chosen]
        if len(triples) % 2:
            triples.append(np.full_like(triples[0], 255))
        rows = [np.hstack(triples[i : i + 2]) for i in range(0, len(triples), 2)]
        parts += [paragraph(f"{name}: image, truth, prediction", rows[0].shape[1]), *rows]
    return np.asarray(np.vstack(parts), np.uint8)


def _smoothed(steps: Values, values: Values, window: int = 25) -> tuple[Values, Values]:
    """A centred running mean with shorter windows at the ends."""
    half = min(window, len(values)) // 2
    padded = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return steps, (padded[last] - padded[first]) / (last - first)
