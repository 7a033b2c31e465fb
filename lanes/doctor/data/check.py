"""Check a folder of labelled images: what it holds, and what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lanes import datasets, plugins
from lanes.datasets import _files
from lanes.doctor.data import facts
from lanes.doctor.data.facts import BANDS, ImageFacts
from lanes.doctor.data.fingerprint import near_pairs
from lanes.errors import LanesError
from lanes.images.orientation import UPRIGHT
from lanes.types import Dataset, Task

SPLITS = ("train", "choose", "val")
SHOWN = 3
"""A finding names at most this many files."""
Tick = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Finding:
    """Something that a user should know: a problem to correct, or a note."""

    level: Literal["problem", "note"]
    text: str


class Meaning(NamedTuple):
    """A meaning of pixels: its share by split (NaN without pixels) and in each band (BANDS,)."""

    name: str
    splits: Mapping[str, float]
    bands: NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """The facts of a data set by split, and the findings.

    `names` are the meanings of the target ids, such as "drivable" or "unknown".
    """

    root: Path
    format: str
    summary: str
    task: Task | None
    names: tuple[str, ...]
    splits: Mapping[str, list[ImageFacts]]
    opened: Mapping[str, Dataset]
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """The findings that must be corrected."""
        return [finding.text for finding in self.findings if finding.level == "problem"]

    def usable(self, split: str) -> list[ImageFacts]:
        """The facts of the images of `split` that can be read."""
        return [one for one in self.splits.get(split, []) if not one.fault]

    def shares(self, split: str) -> NDArray[np.float64]:
        """The share of each target id (K,) in the pixels of `split`; NaN without pixels."""
        counts = np.array([one.counts for one in self.usable(split)], np.float64)
        return _shares(counts.reshape(-1, len(self.names)).sum(0))

    def bands(self) -> NDArray[np.float64]:
        """The share of each target id in each band of all pictures, from the top (BANDS, K)."""
        listed = [one.bands for split in self.splits for one in self.usable(split)]
        counts = np.array(listed, np.float64).reshape(-1, BANDS, len(self.names)).sum(0)
        return np.stack([_shares(band) for band in counts])

    def by_meaning(self) -> list[Meaning]:
        """The shares of each meaning that some pixel has; several target ids may share one."""
        shares = {split: self.shares(split) for split in self.splits}
        bands = self.bands()
        found = []
        for name in dict.fromkeys(self.names):
            rows = [k for k, other in enumerate(self.names) if other == name]
            if bands[:, rows].any():
                of_splits = {split: float(values[rows].sum()) for split, values in shares.items()}
                found.append(Meaning(name, of_splits, bands[:, rows].sum(axis=1)))
        return found

    def sizes(self) -> Counter[tuple[int, int]]:
        """How many pictures have each size (height, width)."""
        return Counter(one.size for split in self.splits for one in self.usable(split))


def check(root: Path, name: str = "", tick: Tick = lambda *_: None) -> Check:
    """Check the data set in `root`; `name` insists on its format, `tick` shows progress.

    Raises:
        BadDataset: no format fits `root`, or several do.
        UnknownName: there is no data set `name`.
    """
    name = name or datasets.detect(root)
    module = plugins.load("datasets", name)
    opened, findings = _open_all(module.open, root)
    kept = facts.load(root, name)
    if any(len(kept.get(split, [])) != len(data) for split, data in opened.items()):
        kept = {}  # other frames are left out
    splits = kept or {split: facts.gather(data, tick) for split, data in opened.items()}
    if not kept:
        facts.save(root, name, splits)
    first = next(iter(opened.values()), None)
    task = plugins.task(first.TASK) if first else None
    names = tuple(_name(row, task) for row in first.TARGETS) if first and task else ()
    found = Check(root, name, datasets.summary(module), task, names, splits, opened, findings)
    for judge in (_missing, _faults, _leftovers, _emptiness, _classes, _turned, _sizes, _copies):
        findings.extend(judge(found))
    return found


def _open_all(
    open_split: Callable[[Path, str], Dataset], root: Path
) -> tuple[dict[str, Dataset], list[Finding]]:
    opened: dict[str, Dataset] = {}
    findings: list[Finding] = []
    for split in SPLITS:
        try:
            opened[split] = open_split(root, split)
        except LanesError as error:
            if str(error) not in [finding.text for finding in findings]:
                findings.append(Finding("problem", str(error)))
    return opened, findings


def _name(row: NDArray[np.bool_], task: Task) -> str:
    if row.all():
        return "unknown"
    return " or ".join(task.class_names[k] for k in np.flatnonzero(row))


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = counts.sum()
    return counts / whole if whole else np.full(counts.shape, np.nan)


def _missing(found: Check) -> Iterator[Finding]:
    for split, data in found.opened.items():
        if missing := getattr(data, "missing", 0):
            files = f"{missing} of {missing + len(data)} frames lack a file"
            yield Finding("note", f"{split}: {files} and are left out")


def _faults(found: Check) -> Iterator[Finding]:
    faults = {s: [one for one in listed if one.fault] for s, listed in found.splits.items()}
    counts = [f"{s}: {len(f)} of {len(found.splits[s])}" for s, f in faults.items() if f]
    if counts:
        first = next(one for listed in faults.values() for one in listed)
        text = f"{', '.join(counts)} images cannot be used, the first because {first.fault}"
        yield Finding("problem", text)


def _leftovers(found: Check) -> Iterator[Finding]:
    """Images without labels, and labels without images, where the data set lists its files."""
    opened = [*found.opened.values(), *_test_split(found)]
    pairs = [pair for data in opened for pair in getattr(data, "pairs", [])]
    frames = [f.image for data in opened for f in getattr(data, "frames", [])]
    used = {path.resolve() for path in (*frames, *(path for pair in pairs for path in pair))}
    if len(found.opened) < len(SPLITS) or not used:
        return
    masks = {mask.parent for image, mask in pairs if mask.parent != image.parent}
    folders = {path.parent for path in used}
    left = [p for p in _images_below(found.root) if p.parent in folders and p.resolve() not in used]
    for kind, lacking in (("image", "labels"), ("mask", "an image")):
        files = [path for path in left if (path.parent in masks) == (kind == "mask")]
        if files:
            text = f"{_count(files, kind)} without {lacking}, left out: {_few(found, files)}"
            yield Finding("note", text)


def _test_split(found: Check) -> list[Dataset]:
    """The split "test" of a data set that has one, which is not checked."""
    try:
        return [plugins.load("datasets", found.format).open(found.root, "test")]
    except LanesError:
        return []


def _images_below(root: Path) -> Iterator[Path]:
    for path in facts.files_below(root):
        if path.suffix.lower() in _files.IMAGE_SUFFIXES and not path.name.startswith("."):
            yield path


def _emptiness(found: Check) -> Iterator[Finding]:
    """Label maps that hold nothing but background, or nothing known."""
    for split in found.splits:
        usable = found.usable(split)
        for name, fact in (("background", "hold only background"), ("unknown", "are all unknown")):
            alone = [one for one in usable if _only(one, found.names, name)]
            if alone and len(alone) == len(usable):
                yield Finding(
                    "problem",
                    f"{split}: all {len(usable)} label maps {fact}: there is nothing to learn or "
                    "score. Look at the labels, and at what labels.toml says they mean",
                )
            elif alone:
                files = _few(found, [one.name for one in alone])
                text = f"{split}: {len(alone)} of {len(usable)} label maps {fact}: {files}"
                yield Finding("note", text)


def _only(one: ImageFacts, names: Sequence[str], name: str) -> bool:
    present = {names[k] for k, count in enumerate(one.counts) if count}
    return present == {name}


def _classes(found: Check) -> Iterator[Finding]:
    """Classes that a split never shows."""
    seen = {split: _present(found, split) for split in found.splits if found.usable(split)}
    if found.task is None or not seen:
        return
    absent = [c for c in found.task.class_names if not any(c in shown for shown in seen.values())]
    if absent:
        listed = ", ".join(absent)
        text = f"no image shows {listed}: a model cannot learn it, and no figure scores it"
        yield Finding("note", text)
    for name in found.task.class_names:
        if name in absent or "train" not in seen:
            continue
        lacking = [split for split, shown in seen.items() if name not in shown]
        if lacking:
            yield Finding(
                "problem" if "train" in lacking else "note",
                f"{' and '.join(lacking)} never shows {name}, other splits do: "
                "divide the images anew (lanes data split)",
            )


def _present(found: Check, split: str) -> set[str]:
    """The classes that some pixel of `split` may be, unknown pixels aside."""
    shares = found.shares(split)
    rows = [found.names[k] for k in np.flatnonzero(shares > 0)]
    return {name for row in rows if row != "unknown" for name in row.split(" or ")}


def _turned(found: Check) -> Iterator[Finding]:
    for split in found.splits:
        turned = [one for one in found.usable(split) if one.orientation != UPRIGHT]
        if turned:
            values = sorted({one.orientation for one in turned})
            yield Finding(
                "note",
                f"{split}: {_count(turned, 'image')} turned upright by EXIF orientation "
                f"({', '.join(map(str, values))}), not so the labels: look at the overlays, and "
                "remove the orientation if the labels were drawn without it: "
                f"{_few(found, [one.name for one in turned])}",
            )


def _sizes(found: Check) -> Iterator[Finding]:
    sizes = found.sizes()
    if len({width > height for height, width in sizes}) > 1:
        yield Finding("note", "some pictures are upright, others lie: the network stretches both")


def _copies(found: Check) -> Iterator[Finding]:
    """Pictures of one split that are nearly the same as pictures of another."""
    for one, other in (("train", "val"), ("choose", "val"), ("train", "choose")):
        left, right = found.usable(one), found.usable(other)
        if left and {fact.name for fact in left} == {fact.name for fact in right}:
            text = f"{one} and {other} are the same images: {other} is no test of the chosen model"
            yield Finding("note", text)
            continue
        prints = [[facts.fingerprint for facts in side] for side in (left, right)]
        pairs = near_pairs(*prints) if left and right else []
        if pairs:
            i, j = pairs[0]
            yield Finding(
                "problem",
                f"{len({j for _, j in pairs})} of {len(right)} images of {other} are nearly the "
                f"same as one of {one}, so its figures are too good: divide anew (lanes data "
                f"split); the first are {_few(found, [left[i].name, right[j].name])}",
            )


def _count(files: Sequence[object], kind: str) -> str:
    return f"{len(files)} {kind}{'' if len(files) == 1 else 's'}"


def _few(found: Check, files: Sequence[str | Path]) -> str:
    """The first `files`, relative to the root."""
    names = [os.path.relpath(file, found.root) for file in files[:SHOWN]]
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(names) + more
