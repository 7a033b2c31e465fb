"""Divide a folder of labelled images into splits, with pictures that look alike in one split."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lanes.datasets._pairs import COLUMNS, SPLITS_FILE, split_folders
from lanes.doctor.data.facts import ImageFacts
from lanes.doctor.data.fingerprint import groups
from lanes.errors import BadConfig, BadDataset
from lanes.video.output_files import check_new, write_text


def divide(found: Sequence[ImageFacts], val: float, choose: float, drive: int) -> dict[str, str]:
    """The split of each image by its stem.

    Pictures that are nearly the same, and those whose names share the first `drive` characters (0:
    no name does), stay together. `val` and `choose` are shares of the images, 0..0.5; both get at
    least one group.

    Raises:
        BadConfig: a share is out of range.
        BadDataset: there are fewer than three groups.
    """
    for name, share in (("--val", val), ("--choose", choose)):
        if not 0 < share <= 0.4:
            raise BadConfig(f"{name} {share}: wanted a share above 0, at most 0.4")
    members = _members(found, drive)
    if len(members) < 3:
        raise BadDataset(
            f"the {len(found)} images form {len(members)} groups that look alike or share a drive; "
            "wanted at least 3: add images of other places"
        )
    # In a fixed order without regard to names that lie next to each other.
    order = sorted(members.values(), key=lambda stems: zlib.crc32(stems[0].encode()))
    splits: dict[str, str] = {}
    for split, share in (("val", val), ("choose", choose)):
        taken = 0
        while taken < max(round(share * len(found)), 1) and len(order) > (
            2 if split == "val" else 1
        ):
            group = order.pop(0)
            taken += len(group)
            splits |= dict.fromkeys(group, split)
    return splits | {stem: "train" for group in order for stem in group}


def _members(found: Sequence[ImageFacts], drive: int) -> dict[str, list[str]]:
    """The stems of each group, by the group's first stem."""
    stems = [Path(one.name).stem for one in found]
    alike = groups([one.fingerprint for one in found])
    first: dict[object, int] = {}
    parents = list(range(len(stems)))

    def top(index: int) -> int:
        while parents[index] != index:
            index = parents[index]
        return index

    for index, stem in enumerate(stems):
        keys: list[object] = [alike[index], *([stem[:drive]] if drive else [])]
        for key in keys:
            other = first.setdefault(key, index)
            parents[max(top(index), top(other))] = min(top(index), top(other))
    members: dict[str, list[str]] = {}
    for index, stem in enumerate(stems):
        members.setdefault(stems[top(index)], []).append(stem)
    return members


def check_undivided(root: Path, overwrite: bool) -> Path:
    """The path of `root`'s splits.csv; raises `BadDataset` if it has split folders already."""
    inner = [root, *(folder for folder in sorted(root.iterdir()) if folder.is_dir())]
    divided = [str(path) for folder in inner for path in split_folders(folder).values()]
    if divided:
        raise BadDataset(
            f"{root} is divided by its folders {', '.join(divided)}: move the files into one folder"
        )
    path = root / SPLITS_FILE
    check_new(path, overwrite)
    return path


def write(path: Path, splits: Mapping[str, str]) -> None:
    """Write splits.csv; raises `BadOutput`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *sorted(splits.items())])
    write_text(path, text.getvalue())
