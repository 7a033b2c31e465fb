"""Mix several data sets: one table of target ids, samples drawn by weight."""

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
from lanes.errors import BadConfig, BadDataset, LanesError
from lanes.plugins import unknown
from lanes.training.augment import Augment
from lanes.types import Dataset, Size

BLOCK = 1024
"""Number of draws per seed."""
Tensors: TypeAlias = dict[str, Tensor]


def open_all(
    roots: Mapping[str, str], split: str, task: str, teachers: str = ""
) -> dict[str, Dataset]:
    """Open `split` of each data set NAME -> ROOT; raises `BadConfig` if one has another task.

    `teachers` is a cache of lanes teach, used by the data sets that support it.
    """
    if not roots:
        raise BadConfig("no data set given: give at least one folder or NAME=ROOT")
    opened: dict[str, Dataset] = {}
    for name, root in roots.items():
        module = plugins.load("datasets", name)
        takes = teachers and "teachers" in inspect.signature(module.open).parameters
        more = {"teachers": teachers} if takes else {}
        dataset: Dataset = module.open(Path(root) if root else "", split, **more)
        if task != dataset.TASK:
            raise BadConfig(
                f"data set {name} has the task {dataset.TASK!r}, but the run has {task!r}: "
                f"change one of them{_own_cure(root, dataset)}"
            )
        opened[name] = dataset
    return opened


def _own_cure(root: str, dataset: Dataset) -> str:
    """How to train on one's own classes."""
    return f""" (--set task='"{root}/classes.toml"')""" if dataset.TASK.startswith("{") else ""


def table_of(datasets: Mapping[str, Dataset]) -> NDArray[np.bool_]:
    """The `TARGETS` tables stacked (K, C), each with an extra row for background only.

    The extra row is the target under bars and bonnets; few data sets have such a row. Raises
    `BadDataset` for a row without classes.
    """
    for name, dataset in datasets.items():
        if not np.all(np.any(dataset.TARGETS, axis=1)):
            # -log of an empty sum is infinite.
            raise BadDataset(f"a target of data set {name} allows no class: correct TARGETS")
    parts = []
    for dataset in datasets.values():
        background = np.eye(1, dataset.TARGETS.shape[1], dtype=bool)
        parts += [dataset.TARGETS, background]
    return np.concatenate(parts)


def spread(dataset: Dataset, limit: int) -> list[int]:
    """At most `limit` indices of `dataset` (0: all), evenly spread: neighbours are often alike."""
    count = min(limit or len(dataset), len(dataset))
    return [int(k) for k in np.linspace(0, len(dataset) - 1, count).round()]


class Part(TorchDataset[Tensors]):
    """One data set, augmented, with its target ids offset by those of the sets before it."""

    def __init__(self, dataset: Dataset, offset: int, augment: Augment) -> None:
        self.dataset, self.offset, self.augment = dataset, offset, augment
        self.lines = {k for m in dataset.MEASURES.values() if m.lines for k in m.targets}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Tensors:
        return self.at(index)

    def at(self, index: int, size: Size | None = None) -> Tensors:
        """The sample `index` at `size` (default: the network's)."""
        sample, rows = self.dataset[index], len(self.dataset.TARGETS)
        if sample.targets.max() >= rows:
            raise BadDataset(
                f"sample {index} holds the target {sample.targets.max()}, but its data set's "
                f"TARGETS has {rows} rows: correct the data set"
            )
        # The row after the data set's own is background.
        sample = self.augment(sample, size, rows, self.lines)
        tensors = {
            "images": torch.from_numpy(sample.image),
            # uint8 up to the loss: int64 would make inter-process transfers eight times larger.
            "targets": torch.from_numpy(sample.targets + np.uint8(self.offset)),
        }
        if sample.soft is not None:
            wanted = (self.dataset.TARGETS.shape[1], *sample.targets.shape)
            if sample.soft.shape != wanted:
                raise BadDataset(
                    f"the soft map of sample {index} is {sample.soft.shape}; wanted {wanted}, "
                    "a probability for every class: create it again with lanes distill"
                )
            tensors["soft"] = torch.from_numpy(sample.soft)
        return tensors


def together(drawn: list[Tensors | LanesError]) -> Tensors | LanesError:
    """Collate a batch, or return its first error.

    Samples without a teacher get a soft map of zeros, which is ignored.
    """
    for one in drawn:
        if isinstance(one, LanesError):
            return one
    samples = [one for one in drawn if not isinstance(one, LanesError)]
    soft = next((s["soft"] for s in samples if "soft" in s), None)
    if soft is not None:
        silence = torch.zeros_like(soft)
        samples = [{"soft": silence, **s} for s in samples]
    batch: Tensors = default_collate(samples)
    return batch


def mixed(
    datasets: Mapping[str, Dataset], weights: Mapping[str, float], augment: Augment
) -> tuple[ConcatDataset[Tensors], list[float]]:
    """All samples concatenated, and the drawing weight of each.

    `weights` are the relative frequencies of the data sets. Within a data set all samples have
    equal weight; if it offers `groups` (a name per sample, such as its drive), all groups do. A
    single data set needs no weight.
    """
    weights = {name: 1.0 for name in datasets} | dict(weights) if len(datasets) == 1 else weights
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
        raise BadConfig(
            "the configuration's weights are 0 for every data set of the run: raise one"
        )
    return ConcatDataset(parts), draws


def shares(dataset: Dataset) -> list[float]:
    """Each sample's share of the data set's draws; they sum to 1."""
    groups = getattr(dataset, "groups", None)
    if groups is None:
        return [1 / len(dataset)] * len(dataset)
    if len(groups) != len(dataset):
        raise BadDataset(f"{len(groups)} groups for {len(dataset)} samples: give one per sample")
    sizes = Counter(groups)
    return [1 / len(sizes) / sizes[group] for group in groups]


class Draw(NamedTuple):
    """A sample, and its position in the run: `number` = step x batch + place in the batch.

    `size` is the batch's size, None = the network's.
    """

    sample: int
    number: int
    size: Size | None = None


class Place(NamedTuple):
    """Which part of every batch a process draws: `number` of `parts` equal ones."""

    batch: int = 1
    number: int = 0
    parts: int = 1

    def has(self, draw: int) -> bool:
        """Whether the draw of that number is in the part."""
        return draw % self.batch * self.parts // self.batch == self.number


WHOLE = Place()


class Draws(Sampler[Draw]):
    """Endless draws by weight with replacement, starting at draw `first`.

    Each draw depends only on `seed` and its number, so a resumed run draws the same samples, and
    the processes of a run together draw those of one process.
    """

    def __init__(
        self,
        weights: list[float],
        seed: int,
        first: int = 0,
        size_of: Callable[[int], Size] | None = None,
        place: Place = WHOLE,
    ) -> None:
        """`size_of` maps a draw's number to its size, for runs with progressive sizes."""
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.seed, self.first, self.size_of, self.place = seed, first, size_of, place

    def __iter__(self) -> Iterator[Draw]:
        begin, skipped = divmod(self.first, BLOCK)
        for block in count(begin):
            generator = torch.Generator().manual_seed(seed_of(self.seed, "draws", block))
            indices = torch.multinomial(self.weights, BLOCK, True, generator=generator).tolist()
            for place in range(skipped, BLOCK):
                number = block * BLOCK + place
                if self.place.has(number):
                    size = self.size_of(number) if self.size_of else None
                    yield Draw(indices[place], number, size)
            skipped = 0


class Drawn(TorchDataset[Tensors | LanesError]):
    """Samples by `Draw`; their randomness depends only on `seed` and the draw's number.

    A sample that cannot be read is its error: torch would wrap an error of a worker in a traceback.
    """

    def __init__(self, samples: ConcatDataset[Tensors], seed: int) -> None:
        self.samples, self.seed = samples, seed

    def __getitem__(self, draw: Draw) -> Tensors | LanesError:
        # Restore the generator: without workers, the network's dropout uses it too.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(self.seed, "sample", draw.number))
            try:
                return self._at(draw)
            except LanesError as error:
                return error

    def _at(self, draw: Draw) -> Tensors:
        if draw.size is None:
            sample: Tensors = self.samples[draw.sample]
            return sample
        part = bisect_right(self.samples.cumulative_sizes, draw.sample)
        before = self.samples.cumulative_sizes[part - 1] if part else 0
        one = cast(Part, self.samples.datasets[part])
        return one.at(draw.sample - before, draw.size)


def seed_of(seed: int, purpose: str, number: int) -> int:
    """A 63-bit seed derived from the run's `seed`, a `purpose` and a `number`."""
    key = f"{seed} {purpose} {number}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") >> 1
