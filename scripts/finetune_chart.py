"""Fine-tuning on 10, 40 and 200 frames of CamVid, with first weights and from scratch: a chart.

The classes are one's own (road, pavement, car). The frames are spread over CamVid's "train"; a
tenth chooses the checkpoint and a tenth is held out, as for any folder. "test" scores it. Writes
chart.png and figures.json into the folder: six runs of `--minutes` each.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lanes.datasets import camvid, image_folder
from lanes.metrics.dataset_scores import score
from lanes.metrics.figures import Kind
from lanes.system.atomic import make_folder
from lanes.training import checkpoint as checkpoints
from lanes.training import loop, plan
from lanes.training.labelling import labeller
from lanes.types import IGNORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("road", "pavement", "car")
CLASSES = 'background = "#000000"\nroad = "#804080"\npavement = "#0000c0"\ncar = "#400080"\n'
SCRATCH = "from scratch"


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("root", type=Path, help="CamVid's folder")
    parser.add_argument("folder", type=Path, help="a new folder for runs and chart")
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 40, 200])
    parser.add_argument("--init", default=plan.FIRST_WEIGHTS)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--test-images", type=int, default=233)
    given = parser.parse_args(argv)
    figures: dict[str, dict[int, dict[str, float]]] = {given.init: {}, SCRATCH: {}}
    test = write_set(given.root, "test", given.test_images, given.folder / "test", "val")
    for count in given.frames:
        root = write_set(given.root, "train", count, given.folder / f"frames-{count}", "")
        for start, found in figures.items():
            found[count] = trained(root, start, given.init, given.minutes, given.folder, test)
            print(f"{count} frames, {start}: {found[count]}", flush=True)
            (given.folder / "figures.json").write_text(json.dumps(figures, indent=2))
    chart(figures).savefig(given.folder / "chart.png", dpi=110)
    return 0


def write_set(root: Path, split: str, count: int, folder: Path, part: str) -> Path:
    """Write `count` frames of a split, spread over it, as an image folder with own classes."""
    dataset = camvid.open(root, split)
    table = np.zeros(256, np.uint8)
    table[len(camvid.NAMES)] = IGNORE
    for value, name in enumerate(NAMES, 1):
        table[camvid.NAMES.index(name)] = value
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    for index in chosen:
        sample, stem = dataset[int(index)], dataset.pairs[int(index)][0].stem
        for kind, picture in (("images", sample.image), ("labels", table[sample.targets])):
            make_folder(folder / part / kind)
            cv2.imwrite(str(folder / part / kind / f"{stem}.png"), picture)
    (folder / "classes.toml").write_text(CLASSES)
    return folder


def trained(
    root: Path, start: str, init: str, minutes: float, folder: Path, test: Path
) -> dict[str, float]:
    """Train from `start` by the plan for `init`; the IoU of the classes on `test`, and the mean."""
    data = {"image_folder": str(root)}
    made = plan.make(data, minutes, init=init)
    config = made.config
    if start == SCRATCH:
        config = replace(config, freeze=0.0, encoder_rate=1.0)
    place = folder / "runs" / f"{root.name} {start}"
    first = None if start == SCRATCH else Path(made.init)
    best = loop.train(config, data, made.budget, place, init=first)
    scores = score(image_folder.open(test, "val"), labeller(checkpoints.network_of(best), config))
    found = {f.measure: f.value for f in scores.figures() if f.kind is Kind.IOU}
    return found | {"mean": float(np.mean(list(found.values())))}


def chart(figures: dict[str, dict[int, dict[str, float]]]) -> Figure:
    """The mean IoU by the number of frames."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for start, found in figures.items():
        axes.plot(list(found), [f["mean"] for f in found.values()], marker="o", label=start)
    axes.set(xscale="log", xlabel="frames", ylabel=f"mean IoU of {', '.join(NAMES)}", ylim=(0, 1))
    counts = sorted({count for found in figures.values() for count in found})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_title("Fine-tuning on CamVid, scored on its test frames")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
