"""Checkpoint -> model folder: `model.onnx` (uint8 images in, uint8 labels out) and `card.json`.

Normalisation and argmax are part of the graph, so no runtime can disagree with training. After
writing, the file runs in every installed backend and the labels are compared with the checkpoint's.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lanes import backends, plugins, tasks
from lanes import card as cards
from lanes.backends import PREFERENCE
from lanes.backends import _float16_accuracy as half_accuracy
from lanes.card import ONNX, DataUse, ModelCard
from lanes.datasets import _samples as drawn
from lanes.errors import BackendError, BadDataset, MissingDependency
from lanes.export.folder import replacing
from lanes.images.resize import network_input
from lanes.metrics.dataset_scores import share_equal
from lanes.models import _layers
from lanes.models._network import Network
from lanes.training import checkpoint as checkpoints
from lanes.training.checkpoint import Checkpoint
from lanes.types import Image, ImageBatch, LabelMap

OPSET = 18
PARITY = {"fp32": 0.999}
LOW_PARITY = 0.99
"""The least share of the pixels where the network is sure on which a backend must agree with the
checkpoint: `PARITY` by precision, `LOW_PARITY` for every precision below fp32."""
FLOOR = 0.9
"""The least share of all pixels. After a short run, a network is sure of few."""
MARGIN = 0.2
"""The network is sure of a pixel where the two most probable classes differ by this much."""
CHECK_FRAMES = 8


class Deployed(nn.Module):
    """The exported module: uint8 images (N, H, W, 3) BGR -> uint8 labels (N, H, W)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        # TensorRT casts only float to uint8: ArgMax -> Cast FLOAT -> Cast UINT8.
        logits: Tensor = self.network(images)
        # Flat planes: OpenVINO's argmax takes 0.2 ms on them, but 4 ms on channels-last data, such
        # as the output of a transposed convolution.
        count, _, height, width = logits.shape
        labels = logits.flatten(2).argmax(1).reshape(count, height, width)
        return labels.float().to(torch.uint8)


def export(
    checkpoint: Checkpoint,
    folder: Path,
    command: str,
    keep: Collection[str] = (),
    precision: str | None = None,
) -> ModelCard:
    """Write the model folder of `checkpoint`; replaces an existing one after all checks pass.

    The nodes `keep` stay in fp32 when the network runs in half precision. `precision` is the only
    one that is checked, and that the model will run in (default: all). Returns the card.

    Raises:
        BackendError: a backend's labels differ from the checkpoint's (see `compare`), or half
            precision changes too many labels.
        BadOutput: `folder` is not a model folder, or cannot be written.
    """
    # Absolute, so that "." and "x/.." have a name.
    folder = folder.resolve()
    network = checkpoints.network_of(checkpoint)
    with replacing(folder) as part:
        write_onnx(network, checkpoint.config.size, part / ONNX)
        card = card_of(checkpoint, folder.name, network, command)
        card = replace(card, precisions=(precision,) if precision else ())
        card.write(part)
        frames = check_frames(checkpoint)
        compare(part, checkpoint, frames)
        if not precision:
            images = [network_input(frame, card.resize)[None] for frame in frames]
            sure = _wanted(network, images)[1]
            half_accuracy.keep_layers(part, images, keep, sure)
    return cards.read(folder)


def write_onnx(network: Network, size: tuple[int, int], path: Path) -> None:
    """Write `network` with its argmax for images (1, height, width, 3)."""
    height, width = size
    images = torch.zeros((1, height, width, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # torch's exporter warns about its own deprecated calls (2.14: onnxscript version adapter).
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Deployed(network).eval(),
            (images,),
            input_names=["images"],
            output_names=["labels"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            external_data=False,
        )
    if program is None:
        raise BackendError("torch.onnx.export returned no program: install the extra [train]")
    model = program.model_proto
    # The exporter records the Python source lines of each node, with this machine's paths.
    for noted in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del noted.metadata_props[:]
    onnx.save(model, path)


def card_of(checkpoint: Checkpoint, name: str, network: Network, command: str) -> ModelCard:
    """The card of a checkpoint: its data sets with their terms, and every setting of the run."""
    config = checkpoint.config
    uses = tuple(_use(data, network) for data in checkpoints.learned_from(checkpoint))
    return ModelCard(
        name=name,
        task=config.task,
        architecture=config.model,
        resize=config.resize,
        classes=tasks.load(config.task).class_names,
        parameters=sum(p.numel() for p in network.parameters()),
        # A copy, because counting moves the network to the meta device.
        gflop=round(_layers.gflop(copy.deepcopy(network), config.size), 4),
        terms="; ".join(dict.fromkeys(use.terms for use in uses)),
        data=uses,
        metrics={
            f"choose: {k}": round(v, 4) for k, v in checkpoint.metrics.items() if math.isfinite(v)
        },
        cell_diameter=config.cell_diameter or None,
        training={
            "command": command,
            "seed": config.seed,
            "step": checkpoint.step,
            "steps": checkpoint.steps,
            "minutes": round(checkpoint.run["seconds"] / 60, 1),
            "precision": checkpoint.run["precision"],
            "skipped_steps": checkpoint.run["skipped"],
            "config": config.to_dict(),
        },
    )


def _use(name: str | dict[str, str], network: Network) -> DataUse:
    if isinstance(name, dict):
        return DataUse(**name)
    if name == checkpoints.IMAGENET:
        return DataUse(name, *cast(Any, network.model).encoder.PRETRAINED)
    module = plugins.load("datasets", name)
    return DataUse(name, (module.__doc__ or name).strip().splitlines()[0], module.TERMS)


def check_frames(checkpoint: Checkpoint) -> list[Image]:
    """Frames of the task to compare labels on.

    From a data set that needs no files, else from the run's own data, else noise.
    """
    if found := drawn.of_task(checkpoint.config.task, CHECK_FRAMES):
        return found
    for name, root in checkpoint.data.items():
        try:
            dataset = plugins.load("datasets", name).open(root, "choose")
        except BadDataset:  # the checkpoint is from another machine
            continue
        return [dataset[index].image for index in range(min(CHECK_FRAMES, len(dataset)))]
    noise = np.random.default_rng(0).integers(0, 256, (CHECK_FRAMES, *checkpoint.config.size, 3))
    return list(noise.astype(np.uint8))


def compare(
    folder: Path, checkpoint: Checkpoint, frames: Sequence[Image]
) -> dict[tuple[str, str], float]:
    """Run `model.onnx` of `folder` in every installed backend and precision on `frames`.

    Returns the share of pixels equal to the checkpoint's labels, by (backend, precision).

    Raises:
        BackendError: too many labels differ where the network is sure (`PARITY`), or in all
            (`FLOOR`).
    """
    images = [network_input(frame, checkpoint.config.resize)[None] for frame in frames]
    wanted, sure = _wanted(checkpoints.network_of(checkpoint), images)
    shares: dict[tuple[str, str], float] = {}
    for name, precision in _runners(cards.read(folder).precisions):
        with closing(backends.load(name, folder, precision)) as backend:
            labels = np.stack([backend(image)[0] for image in images])
        shares[name, precision] = share_equal(labels, wanted)
        _judge(f"{name} {precision}", precision, shares[name, precision], labels == wanted, sure)
    return shares


def _judge(
    engine: str, precision: str, share: float, equal: NDArray[np.bool_], sure: NDArray[np.bool_]
) -> None:
    """Raise `BackendError` if `equal` is wrong in too many pixels, above all where `sure`."""
    among_sure = float(equal[sure].mean()) if sure.any() else 1.0
    least = PARITY.get(precision, LOW_PARITY)
    if among_sure >= least and share >= FLOOR:
        return
    cure = (
        f"the export is wrong; update {engine.split()[0]}, or report it as a bug"
        if precision in PARITY
        else "after a short run rounding decides many labels: train longer, or export with "
        "--precision fp32"
    )
    raise BackendError(
        f"{engine} agrees with the checkpoint on {among_sure:.2%} of the pixels where it is sure, "
        f"wanted {least:.1%}, and on {share:.2%} of all, wanted {FLOOR:.0%}: {cure}"
    )


def _wanted(
    network: Network, images: Sequence[ImageBatch]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The network's labels (n, H, W), and where it is sure of them."""
    labels, sure = [], []
    with torch.inference_mode():
        for image in images:
            first, second = network(torch.from_numpy(image))[0].softmax(0).topk(2, 0).values
            sure.append((first - second > MARGIN).numpy())
            labels.append(_labels(network, image))
    return np.stack(labels), np.stack(sure)


def _runners(allowed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Every backend that can be loaded here, with each of its `allowed` precisions (empty: all)."""
    for name in PREFERENCE:
        try:
            precisions = backends.precisions(name)
        except MissingDependency:
            continue
        for precision in precisions:
            if not allowed or precision in allowed:
                yield name, precision


def _labels(network: Network, images: ImageBatch) -> LabelMap:
    return np.asarray(Deployed(network)(torch.from_numpy(images))[0].numpy())
