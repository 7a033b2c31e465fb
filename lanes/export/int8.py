"""Post-training quantisation: write a model's network as `model.int8.onnx`.

NNCF (https://github.com/openvinotoolkit/nncf) observes the activations on real frames and stores
weights and activations in 8 bits with a scale each (Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877). The
file is ONNX with QuantizeLinear and DequantizeLinear, which OpenVINO and ONNX Runtime compute in 8
bits; uint8 images go in and uint8 labels come out as before.

The loss of accuracy is measured on labelled images and recorded in the model's card. The backend
"auto" measures on each machine whether int8 is faster.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lanes import backends, plugins
from lanes import card as cards
from lanes import segmenter as segmenters
from lanes.backends import PREFERENCE, _engine
from lanes.errors import BackendError, BadDataset, BadInput, MissingDependency
from lanes.images.resize import network_input
from lanes.metrics import dataset_scores
from lanes.metrics.figures import Figure, Kind, headlines
from lanes.system.atomic import writing
from lanes.types import Dataset, ImageBatch

CALIBRATION_FRAMES = 300
CHECK_FRAMES = 8
LEAST = 0.9
"""The least share of unchanged labels: below it something is broken, not just less accurate."""
LARGEST_LOSS = 0.005
"""The largest IoU loss (of 1) that quantisation may cause."""


@dataclass(frozen=True)
class Quantized:
    """The result: `shares` of labels, 0..1, equal to those of `model.onnx`, by backend.

    `costs` holds the figures of the judged data sets, by name: {"fp32": 0.782, "int8": 0.780}.
    """

    shares: dict[str, float]
    costs: dict[str, dict[str, float]]


def quantize(
    folder: Path,
    calibration: Sequence[Dataset],
    judged: Mapping[str, Dataset],
    frames: int = CALIBRATION_FRAMES,
) -> Quantized:
    """Write `model.int8.onnx` into the model's `folder`, and the accuracy cost into the card.

    Calibrates on `frames` frames of the data sets `calibration` and scores on those in `judged`,
    by names such as "bdd100k val".

    Raises:
        MissingDependency: NNCF or ONNX is not installed.
        BadInput: a data set has another task, or `frames` is below 1.
        BadDataset: a data set has no frames.
        BackendError: NNCF cannot quantise the network, too many labels change, or an IoU loses
            `LARGEST_LOSS` or more.
        BadOutput: `folder` cannot be written.
    """
    card = cards.read(folder)
    for dataset in (*calibration, *judged.values()):
        if card.task != dataset.TASK:
            raise BadInput(
                f"the model {card.name} has the task {card.task!r}, but the frames have "
                f"{dataset.TASK!r}: quantise with data of the model's task"
            )
    images = [
        network_input(dataset[index].image, card.resize)[None]
        for dataset in calibration
        for index in spread(len(dataset), -(-frames // len(calibration)))
    ]
    # Work in a copy of the model folder; the real one stays untouched until all checks pass.
    with writing(folder), TemporaryDirectory(prefix=".int8-", dir=folder) as name:
        part = Path(name)
        for file in (folder / cards.CARD, _engine.onnx_path(folder)):
            shutil.copy(file, part)
        _write(part, images)
        shares = compare(part, images[:: -(-len(images) // CHECK_FRAMES)])
        costs = _costs(part, next(iter(shares)), judged)
        replace(card, int8=costs).write(part)
        for written in (cards.CARD, cards.INT8_ONNX):
            os.replace(part / written, folder / written)
    return Quantized(shares, costs)


def spread(count: int, wanted: int) -> Sequence[int]:
    """Up to `wanted` evenly spaced indices below `count`."""
    if wanted < 1:
        raise BadInput(f"got {wanted} frames to calibrate on; wanted 1 or more, ideally hundreds")
    if not count:
        raise BadDataset("the data set has no frames to calibrate on: give another split or root")
    return [int(index) for index in np.linspace(0, count - 1, min(count, wanted))]


def compare(folder: Path, images: Sequence[ImageBatch]) -> dict[str, float]:
    """The share of int8 labels equal to the fp32 labels, by installed backend.

    Raises:
        BackendError: a share is below `LEAST`.
        MissingDependency: no backend is installed.
    """
    shares: dict[str, float] = {}
    for name in PREFERENCE:
        try:
            before, after = (_labels(folder, name, p, images) for p in ("fp32", _engine.INT8))
        except MissingDependency:
            continue
        shares[name] = dataset_scores.share_equal(after, before)
        if shares[name] < LEAST:
            raise BackendError(
                f"{name} int8 agrees with fp32 on {shares[name]:.2%} of the pixels, wanted "
                f"{LEAST:.0%}: calibrate on more frames, or on frames like the model's data"
            )
    if not shares:
        raise MissingDependency(f"no backend for int8 is installed: install one of {PREFERENCE}")
    return shares


def _labels(folder: Path, name: str, precision: str, images: Sequence[ImageBatch]) -> Any:
    with closing(backends.load(name, folder, precision)) as backend:
        return np.stack([backend(image) for image in images])


def _costs(
    folder: Path, backend: str, judged: Mapping[str, Dataset]
) -> dict[str, dict[str, float]]:
    """The main figures at fp32 and int8; raises `BackendError` if int8 loses too much."""
    before, after = (_figures(folder, backend, p, judged) for p in ("fp32", _engine.INT8))
    costs = {}
    for figure in headlines(before.values()):
        name = figure.card_key
        fp32, int8 = round(figure.value, 4), round(after[name].value, 4)
        # A figure is NaN with nothing to score.
        if not np.isfinite([fp32, int8]).all():
            continue
        if figure.kind in (Kind.IOU, Kind.MIOU) and fp32 - int8 >= LARGEST_LOSS:
            raise BackendError(
                f"int8 loses {(fp32 - int8) * 100:.2f} points of {name} ({fp32:.2%} in fp32), "
                f"wanted less than {LARGEST_LOSS * 100:.1f}: nothing was written; calibrate on "
                "more frames, or on others"
            )
        costs[name] = {"fp32": fp32, _engine.INT8: int8}
    return costs


def _figures(
    folder: Path, backend: str, precision: str, judged: Mapping[str, Dataset]
) -> dict[str, Figure]:
    """The figures of all data sets, by `Figure.card_key`."""
    with segmenters.load(str(folder), backend, precision) as model:
        return {
            figure.card_key: figure
            for name, dataset in judged.items()
            for figure in dataset_scores.score(dataset, model.label).figures(name)
        }


def _write(folder: Path, images: Sequence[ImageBatch]) -> None:
    """Quantise `model.onnx` of `folder`, calibrated on `images`."""
    path = folder / cards.ONNX
    try:
        # NNCF reports each use to Google Analytics if it finds the telemetry package.
        with _engine.without("openvino_telemetry"):
            import nncf
        import onnx
    except ModuleNotFoundError as error:
        raise plugins.missing("quantization", str(error.name)) from error
    try:
        network = onnx.load(path)
        name = network.graph.input[0].name
        quantized = nncf.quantize(
            network,
            nncf.Dataset(images, lambda image: {name: image}),
            # Not all activations start at 0 as those after ReLU do.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            # Processors without VNNI accumulate in 16 bits, which overflow unless weights use only
            # 7: without this, the IoU loss of one network varied from 0.3 to 0.7 points by machine.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
        )
    except Exception as error:  # NNCF's errors have no common base class
        raise BackendError(f"NNCF cannot quantise {path}: {error}") from error
    onnx.save(quantized, folder / cards.INT8_ONNX)
