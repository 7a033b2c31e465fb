"""What a training step costs on this machine: seconds and memory, measured."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor

from lanes.training import checkpoint as checkpoints
from lanes.training.augment import Augment
from lanes.training.config import TrainConfig
from lanes.training.state import precision_of
from lanes.types import Dataset

IMAGES, STEPS = 2, 2
"""Images of a measured step, and the number of steps timed after the first."""
READ = 4
"""The number of images read for the measurement."""
KEPT = 1.5
"""Memory of a step, in units of what the backward pass keeps."""


@dataclass(frozen=True)
class Cost:
    """Per image: `seconds` of a step, `reading` seconds in one thread, `memory` in bytes."""

    seconds: float
    reading: float
    memory: float

    def total(self, scale: float = 1.0) -> float:
        """Seconds per image at `scale` times the pixels; reading shares the cores."""
        return self.seconds * scale + self.reading / max(os.cpu_count() or 1, 1)


def measure(config: TrainConfig, dataset: Dataset) -> Cost:
    """Time training steps at the configuration's size, on random pictures, and the reading."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = checkpoints.build(config).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-6)
    images = torch.randint(0, 256, (IMAGES, *config.size, 3), dtype=torch.uint8, device=device)
    half = precision_of(config).startswith("bf16")
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.ndim == 4 and len(tensor) == IMAGES:  # features, not weights
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = network(images).float().log_softmax(1)[:, 0].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    seconds = (time.perf_counter() - began) / STEPS / IMAGES
    return Cost(seconds, _reading(config, dataset), KEPT * sum(kept.values()) / IMAGES)


def _reading(config: TrainConfig, dataset: Dataset) -> float:
    augment = Augment(config)
    with torch.random.fork_rng(devices=[]):
        began = time.perf_counter()
        for index in islice(cycle(range(len(dataset))), READ):
            augment(dataset[index])
    return (time.perf_counter() - began) / READ


def free_memory() -> float:
    """Bytes that a step may use: of the GPU, else of the machine; infinite if unknown."""
    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return 1024.0 * values["MemAvailable"]
