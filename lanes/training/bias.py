"""Fit a bias for each class's logit on the choosing splits, to undo the skew of loss weights.

A class with weight 3 in the loss wins the argmax too often. Menon et al., "Long-tail learning via
logit adjustment" (2021, arXiv:2007.07314), shift the logits instead of retraining; here the shift
is the one with the best score.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lanes import tasks
from lanes.images.resize import Resize, resize_image
from lanes.images.tiles import GRID, extended
from lanes.metrics.dataset_scores import Scores
from lanes.metrics.figures import Figure, choice
from lanes.training import checkpoint as checkpoints
from lanes.training import mix
from lanes.training.checkpoint import Checkpoint
from lanes.types import Dataset, Image

STEPS = (0.8, 0.4, 0.2)
"""The step sizes of the search, largest first."""
LEAST_GAIN = 1e-4
Logits: TypeAlias = NDArray[np.float16]


def fit_bias(checkpoint: Checkpoint) -> tuple[float, ...]:
    """The bias (classes,) that maximises the `choice` of the checkpoint's labels.

    Coordinate ascent from the configuration's bias (default: 0). The result is absolute, like
    `TrainConfig.logit_bias`. The background's bias stays fixed: only differences matter.
    """
    classes = len(tasks.load(checkpoint.config.task).classes)
    bare = checkpoints.with_logit_bias(checkpoint, (0.0,) * classes)
    splits = mix.open_all(checkpoint.data, "choose", checkpoint.config.task)
    seen = {name: _logits(bare, dataset) for name, dataset in splits.items()}
    bias = np.array(checkpoint.config.logit_bias or (0.0,) * classes, np.float32)
    best = _judge(splits, seen, bias)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for index in range(1, classes):
                for change in (step, -step):
                    tried = bias.copy()
                    tried[index] += change
                    found = _judge(splits, seen, tried)
                    if found > best + LEAST_GAIN:
                        bias, best, improved = tried, found, True
                        break
    return tuple(round(float(value), 3) for value in bias)


def _logits(checkpoint: Checkpoint, dataset: Dataset) -> list[Logits]:
    """The logits (classes, h, w) of every image, in float16: 0.4 GB for 100 images, 11 classes."""
    network = checkpoints.network_of(checkpoint)
    found = []
    for index in range(len(dataset)):
        picture = dataset[index].image
        image = torch.from_numpy(_input(picture, checkpoint.config.resize))[None]
        with torch.inference_mode():
            logits = network(image)[0].half().numpy()
        # Ignore the part of a tile beyond the picture.
        rows, columns = picture.shape[:2]
        height, width = checkpoint.config.resize.labels_size((rows, columns))
        found.append(logits[:, :height, :width])
    return found


def _input(picture: Image, resize: Resize) -> Image:
    """The network's input; for a network that takes tiles, the whole picture at once."""
    if not resize.in_tiles:
        return resize_image(picture, resize)
    rows, columns = (-(-n // GRID) * GRID for n in picture.shape[:2])
    return extended(picture, (max(rows, resize.size[0]), max(columns, resize.size[1])))


def _judge(
    splits: dict[str, Dataset], seen: dict[str, list[Logits]], bias: NDArray[np.float32]
) -> float:
    figures: list[Figure] = []
    for name, dataset in splits.items():
        scores = Scores(dataset)
        for index, logits in enumerate(seen[name]):
            labels = (logits + bias[:, None, None]).argmax(0).astype(np.uint8)
            scores.add(dataset[index], labels)
        figures += scores.figures(name)
    return choice(figures)
