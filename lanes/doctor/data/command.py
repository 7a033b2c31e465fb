"""Implements `lanes data ...`: gather, print, write."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lanes import datasets, plugins
from lanes.doctor.data import convert, divide, facts, first_labels
from lanes.doctor.data.check import SPLITS, Check, check
from lanes.doctor.data.page import page
from lanes.draw.contact_sheet import overlays
from lanes.errors import INCOMPLETE
from lanes.segmenter import Segmenter
from lanes.system.progress import progress
from lanes.types import Dataset, Image
from lanes.video.images import find_images
from lanes.video.output_files import check_place, write_image, write_text

ON_SHEET = 12
"""Overlays on the contact sheet."""


def run_check(text: str, html: Path | None, sheet: Path | None, overwrite: bool) -> int:
    """Check the folder that `text` names; returns the exit code, 1 if there are problems."""
    check_place(html, overwrite, ".html")
    check_place(sheet, overwrite)
    ((name, root),) = datasets.roots_of([text])[0].items()
    with progress(Console(stderr=True), "reading") as tick:
        found = check(Path(root), name, tick)
    show(found, Console())
    picture = sheet_of(found) if html or sheet else None
    if sheet and picture is not None:
        write_image(sheet, picture)
    elif sheet:
        print(f"{sheet} is not written: there is no image that can be used", file=sys.stderr)
    if html:
        content = page(found, picture)
        write_text(html, content)
    return INCOMPLETE if found.problems else 0


def run_split(text: str, val: float, choose: float, drive: int, overwrite: bool) -> int:
    """Divide the folder that `text` names; returns the exit code."""
    ((name, root),) = datasets.roots_of([text])[0].items()
    path = divide.check_undivided(Path(root), overwrite)
    with progress(Console(stderr=True), "reading") as tick:
        gathered = [facts.gather(opened, tick) for opened in _open_all(name, root).values()]
    found = [one for listed in gathered for one in listed]
    splits = divide.divide(found, val, choose, drive)
    divide.write(path, splits)
    counts = ", ".join(f"{k} {n}" for k, n in sorted(Counter(splits.values()).items()))
    print(f"{path}: {counts}")
    return 0


def run_convert(text: str, to: str, output: Path) -> int:
    """Convert the folder that `text` names; returns the exit code."""
    ((name, root),) = datasets.roots_of([text])[0].items()
    opened = _open_all(name, root)
    with progress(Console(stderr=True), "converting") as tick:
        count = convert.convert(opened, output, to, tick)
    print(f"{output}: {count} images")
    return 0


def run_label(
    text: str, load: Callable[[], Segmenter], to: str, output: Path | None, overwrite: bool
) -> int:
    """Write first labels of the images that `text` names; returns the exit code."""
    images = find_images(text)
    folder = output or images[0].parent
    with load() as model, progress(Console(stderr=True), "labelling") as tick:
        files = first_labels.write(images, model.label, model.task, to, folder, overwrite, tick)
    print(f"{len(images)} images labelled in {folder}: {len(files)} files for {to} to correct")
    return 0


def _open_all(name: str, root: str) -> dict[str, Dataset]:
    module = plugins.load("datasets", name)
    return {split: module.open(root, split) for split in SPLITS}


def show(found: Check, console: Console) -> None:
    """Print the splits with their class shares, the classes by height, and the findings."""
    plain = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    plain(f"{found.root}: {found.format}, {found.summary}")
    if any(found.usable(split) for split in found.splits):
        console.print(_splits(found))
        console.print(_by_height(found))
    for finding in found.findings:
        style = "red" if finding.level == "problem" else ""
        plain(f"{finding.level}: {finding.text}", style=style)
    if not found.findings:
        console.print("nothing is wrong with it")


def sheet_of(found: Check) -> Image | None:
    """Overlays of images of all splits, turned ones first; None without any image."""
    dataset = next(iter(found.opened.values()), None)
    if dataset is None or found.task is None:
        return None
    chosen = []
    for split, opened in found.opened.items():
        usable = [i for i, one in enumerate(found.splits[split]) if not one.fault]
        usable.sort(key=lambda i: found.splits[split][i].orientation == 1)
        count = max(ON_SHEET // len(found.opened), 1)
        spread = np.linspace(0, len(usable) - 1, min(count, len(usable))).round().astype(int)
        for index in (usable[k] for k in spread):
            name = os.path.relpath(found.splits[split][index].name, found.root)
            chosen.append((f"{name}, {split}", opened, index))
    title = f"{found.root.name}: {found.format}"
    return overlays(chosen, found.task, title) if chosen else None


def _splits(found: Check) -> Table:
    """The pixels of each meaning by split."""
    table = Table(title="pixels by split")
    table.add_column("meaning", overflow="fold")
    for split in found.splits:
        table.add_column(split, justify="right")
    table.add_row("images", *(str(len(found.usable(split))) for split in found.splits))
    table.add_row("size", *(_size(found, split) for split in found.splits), end_section=True)
    for one in found.by_meaning():
        table.add_row(escape(one.name), *(_percent(one.splits[split]) for split in found.splits))
    return table


def _size(found: Check, split: str) -> str:
    sizes = {one.size for one in found.usable(split)}
    return "{1}x{0}".format(*next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes)} sizes"


def _by_height(found: Check) -> Table:
    """The pixels of each meaning in the bands of the picture, in whole per cent."""
    title = "% of the pixels by height, from the top (0) down"
    table = Table(title=title, padding=(0, 0, 0, 1))
    table.add_column("meaning", overflow="fold")
    bands = len(found.bands())
    for k in range(bands):
        table.add_column(f"{100 * k // bands}", justify="right", no_wrap=True)
    for one in found.by_meaning():
        cells = ("-" if share == 0 else f"{100 * share:.0f}" for share in one.bands)
        table.add_row(escape(one.name), *cells)
    return table


def _percent(share: float) -> str:
    return "-" if np.isnan(share) or share == 0 else f"{100 * share:.1f} %"
