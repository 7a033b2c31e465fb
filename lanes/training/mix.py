"""Several data sets as one: one table of target ids, samples drawn by weight."""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Sampler, default_collate
from torch.utils.data import Dataset as TorchDataset

from lanes import plugins
from lanes.errors import BadConfig, BadDataset
from lanes.plugins import unknown
from lanes.training.augment import Augment
from lanes.types import Dataset, Size

BLOCK = 1024
"""So many draws come from one seed."""
Tensors: TypeAlias = dict[str, Tensor]


def open_all(
    roots: Mapping[str, str], split: str, task: str, teachers: str = ""
) -> dict[str, Dataset]:
    """Open `split` of each data set NAME -> ROOT; raises `BadConfig` if one has another task.

    `teachers` is a cache of lanes teach: those sets that can learn from it do.
    """
    if not roots:
        raise BadConfig("no data set given: name at least one, NAME=ROOT")
    opened: dict[str, Dataset] = {}
    for name, root in roots.items():
        module = plugins.load("datasets", name)
        takes = teachers and "teachers" in inspect.signature(module.open).parameters
        more = {"teachers": teachers} if takes else {}
        dataset: Dataset = module.open(Path(root) if root else "", split, **more)
        if task != dataset.TASK:
            raise BadConfig(f"data set {name} is of task {dataset.TASK!r}, the run of {task!r}")
        opened[name] = dataset
    return opened


def table_of(datasets: Mapping[str, Dataset]) -> NDArray[np.bool_]:
    """The tables `TARGETS` one below the other (K, C), each with one more row: background alone.

    What a training itself covers is of that row; few data sets can say it. Raises `BadDataset` for
    a row of nothing.
    """
    for name, dataset in datasets.items():
        if not np.all(np.any(dataset.TARGETS, axis=1)):
            # -log of an empty sum is infinite.
            raise BadDataset(f"a target of data set {name} may be no class at all: correct TARGETS")
    parts = []
    for dataset in datasets.values():
        background = np.eye(1, dataset.TARGETS.shape[1], dtype=bool)
        parts += [dataset.TARGETS, background]
    return np.concatenate(parts)


class Part(TorchDataset[Tensors]):
    """One data set, augmented, its target ids moved behind those of the sets before it."""

    def __init__(self, dataset: Dataset, offset: int, augment: Augment) -> None:
        self.dataset, self.offset, self.augment = dataset, offset, augment

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Tensors:
        return self.at(index)

    def at(self, index: int, size: Size | None = None) -> Tensors:
        """The sample `index` at `size`, by default the network's."""
        sample, rows = self.dataset[index], len(self.dataset.TARGETS)
        if sample.targets.max() >= rows:
            raise BadDataset(
                f"sample {index} holds the target {sample.targets.max()}; its data set's table "
                f"has {rows} rows"
            )
        # The row behind its own is the background.
        sample = self.augment(sample, size, rows)
        tensors = {
            "images": torch.from_numpy(sample.image),
            # uint8 to the very loss: int64 would be eight times as much to hand between processes.
            "targets": torch.from_numpy(sample.targets + np.uint8(self.offset)),
        }
        if sample.soft is not None:
            wanted = (self.dataset.TARGETS.shape[1], *sample.targets.shape)
            if sample.soft.shape != wanted:
                raise BadDataset(
                    f"the soft map of sample {index} is {sample.soft.shape}; wanted {wanted}: "
                    "a probability of every class"
                )
            tensors["soft"] = torch.from_numpy(sample.soft)
        return tensors


def together(samples: list[Tensors]) -> Tensors:
    """A batch; where only some samples have a teacher, that of the others says nothing (0)."""
    soft = next((s["soft"] for s in samples if "soft" in s), None)
    if soft is not None:
        silence = torch.zeros_like(soft)
        samples = [{"soft": silence, **s} for s in samples]
    batch: Tensors = default_collate(samples)
    return batch


def mixed(
    datasets: Mapping[str, Dataset], weights: Mapping[str, float], augment: Augment
) -> tuple[ConcatDataset[Tensors], list[float]]:
    """All samples in a row, and the weight that each is drawn with.

    `weights` say how often a sample comes from each data set, relative to the others of the run.
    Within one all samples weigh alike; where it offers `groups`, a name for each sample such as
    that of its drive, all groups do.
    """
    parts: list[TorchDataset[Any]] = []
    draws: list[float] = []
    offset = 0
    for name, dataset in datasets.items():
        if name not in weights:
            raise BadConfig(unknown("the configuration's weights", name, list(weights)))
        if not len(dataset):
            raise BadDataset(f"data set {name} is empty")
        parts.append(Part(dataset, offset, augment))
        draws += [weights[name] * share for share in shares(dataset)]
        offset += len(dataset.TARGETS) + 1
    if not any(draws):
        raise BadConfig("the configuration's weights are 0 for every data set of the run")
    return ConcatDataset(parts), draws


def shares(dataset: Dataset) -> list[float]:
    """How often each sample is drawn of the data set's draws; they sum to 1."""
    groups = getattr(dataset, "groups", None)
    if groups is None:
        return [1 / len(dataset)] * len(dataset)
    if len(groups) != len(dataset):
        raise BadDataset(f"{len(groups)} groups for {len(dataset)} samples: wanted one each")
    sizes = Counter(groups)
    return [1 / len(sizes) / sizes[group] for group in groups]


class Draw(NamedTuple):
    """Which sample, and the how manieth of the run it is: `number` = step x batch + place in it.

    `size` is that of the batch, None = the network's.
    """

    sample: int
    number: int
    size: Size | None = None


class Draws(Sampler[Draw]):
    """Samples drawn by weight, with replacement and without end, from the draw `first` on.

    Each draw is a function of `seed` and its number: a run that goes on draws as if it had not
    stopped.
    """

    def __init__(
        self,
        weights: list[float],
        seed: int,
        first: int = 0,
        size_of: Callable[[int], Size] | None = None,
    ) -> None:
        """`size_of` tells the size of the draw of a number, where a run has several."""
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.seed, self.first, self.size_of = seed, first, size_of

    def __iter__(self) -> Iterator[Draw]:
        begin, skipped = divmod(self.first, BLOCK)
        for block in count(begin):
            generator = torch.Generator().manual_seed(seed_of(self.seed, "draws", block))
            indices = torch.multinomial(self.weights, BLOCK, True, generator=generator).tolist()
            for place in range(skipped, BLOCK):
                number = block * BLOCK + place
                size = self.size_of(number) if self.size_of else None
                yield Draw(indices[place], number, size)
            skipped = 0


class Drawn(TorchDataset[Tensors]):
    """Samples by `Draw`; what is random in one is a function of `seed` and the draw's number."""

    def __init__(self, samples: ConcatDataset[Tensors], seed: int) -> None:
        self.samples, self.seed = samples, seed

    def __getitem__(self, draw: Draw) -> Tensors:
        # Without workers the network's dropout draws from the same generator: it is put back.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(self.seed, "sample", draw.number))
            if draw.size is None:
                sample: Tensors = self.samples[draw.sample]
                return sample
            part = bisect_right(self.samples.cumulative_sizes, draw.sample)
            before = self.samples.cumulative_sizes[part - 1] if part else 0
            one = cast(Part, self.samples.datasets[part])
            return one.at(draw.sample - before, draw.size)


def seed_of(seed: int, purpose: str, number: int) -> int:
    """A seed of 63 bits for the `number`-th thing of its `purpose` in the run of `seed`."""
    told = f"{seed} {purpose} {number}".encode()
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big") >> 1
