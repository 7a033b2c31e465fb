"""Score a cell model on pictures of bbbc041seg that are rescaled, re-stained, blurred or dimmed.

For each variant: AP, the count error (mean over pictures), and cells found and true; then how well
the doubt finds the pictures whose count is wrong by more than 25 % (area under the ROC curve). The
whole way of `lanes image` is measured: estimated scale, network, instances.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lanes import segmenter
from lanes.cells import instances
from lanes.datasets import bbbc041seg
from lanes.images.resize import resize_labels, resize_smoothly
from lanes.metrics.instances import InstanceCounts, instance_counts
from lanes.pipeline.find_cells import estimate, label_cells, signs_in
from lanes.segmenter import Segmenter
from lanes.training.microscope import restained
from lanes.types import Image, InstanceMap

Change = Callable[[Image, InstanceMap], tuple[Image, InstanceMap]]
WRONG = 0.25
"""Count error of a wrong count."""


@dataclass(frozen=True)
class Found:
    """The result on one picture."""

    counts: InstanceCounts
    doubt: float

    @property
    def wrong(self) -> bool:
        """Whether the count is wrong."""
        return self.counts.count_error > WRONG


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit code."""
    given = _parser().parse_args(argv)
    import torch  # `restained` draws from its generator

    torch.manual_seed(0)
    pictures = bbbc041seg.open(given.root, given.split)
    chosen = [pictures[k] for k in range(min(len(pictures), given.pictures))]
    everything: list[Found] = []
    with segmenter.load(given.model, given.backend, threads=given.threads) as model:
        for name in given.variants:
            change, found = VARIANTS[name], []
            for sample in chosen:
                assert sample.instances is not None, "bbbc041seg has instances"
                found.append(_find(*change(sample.image, sample.instances), model))
            everything += found
            print(_line(name, found), flush=True)
    print(f"doubt, AUROC for a count error above {WRONG:.0%}: {auroc(everything):.3f}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or folder of a model")
    parser.add_argument("root", type=Path, help="folder of bbbc041seg")
    parser.add_argument("--split", default="choose", help="choose (default) or test")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--threads", type=int)
    return parser


def auroc(found: Sequence[Found]) -> float:
    """How often a wrong count has more doubt than a right one; NaN without both."""
    wrong = np.array([one.doubt for one in found if one.wrong])
    right = np.array([one.doubt for one in found if not one.wrong])
    if not len(wrong) or not len(right):
        return float("nan")
    more = (wrong[:, None] > right).mean() + (wrong[:, None] == right).mean() / 2
    return float(more)


def _find(image: Image, truth: InstanceMap, model: Segmenter) -> Found:
    image = np.ascontiguousarray(image)
    labelled = label_cells(image, model, None, estimate(image, model, None))
    parted = instances.segment(labelled.labels, model.task)
    size = truth.shape[0], truth.shape[1]
    signs = signs_in(labelled, parted, model.task, size)
    counts = instance_counts(truth, resize_smoothly(parted, size))
    return Found(counts, 0.0 if signs is None else signs.doubt)


def _line(name: str, found: Sequence[Found]) -> str:
    counts = sum((one.counts for one in found), InstanceCounts())
    figures = ", ".join(f"{key} {value:.3f}" for key, value in counts.figures().items())
    wrong = sum(one.wrong for one in found)
    return f"{name}: {figures}; {counts.found} found, {counts.true} true, {wrong} counts wrong"


def _scaled(factor: float) -> Change:
    """Resize; enlarged pictures are cut to their old size."""

    def change(image: Image, truth: InstanceMap) -> tuple[Image, InstanceMap]:
        if factor > 1:
            height, width = (round(side / factor) for side in truth.shape)
            image, truth = image[:height, :width], np.ascontiguousarray(truth[:height, :width])
        size = round(truth.shape[0] * factor), round(truth.shape[1] * factor)
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image, size[::-1], interpolation=way)
        return np.asarray(scaled, np.uint8), resize_labels(truth, size)

    return change


def _blurred(sigma: float) -> Change:
    return lambda image, truth: (np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)), truth)


def _dim(image: Image, truth: InstanceMap) -> tuple[Image, InstanceMap]:
    """An eighth of the contrast, with noise."""
    grey = image.mean((0, 1))
    noise = 6 * np.random.default_rng(image.size).standard_normal(image.shape)
    return np.clip(grey + (image - grey) * 0.12 + noise, 0, 255).astype(np.uint8), truth


VARIANTS: dict[str, Change] = {
    "plain": lambda image, truth: (image, truth),
    "x0.25": _scaled(0.25),
    "x0.5": _scaled(0.5),
    "x2": _scaled(2),
    "x4": _scaled(4),
    "re-stained": lambda image, truth: (restained(image), truth),
    "blur3": _blurred(3),
    "blur9": _blurred(9),
    "dim": _dim,
}

if __name__ == "__main__":
    sys.exit(main())
