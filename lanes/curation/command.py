"""Implements `lanes data check`: gather, print, write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lanes import datasets
from lanes.curation.check import Check, check
from lanes.curation.page import page
from lanes.draw.contact_sheet import overlays
from lanes.errors import INCOMPLETE
from lanes.system.atomic import atomic_file
from lanes.system.progress import progress
from lanes.types import Image
from lanes.video.output_files import check_place, write_image

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
    if html:
        content = page(found, picture)
        with atomic_file(html) as part:
            part.write_text(content, encoding="utf-8")
    return INCOMPLETE if found.problems else 0


def show(found: Check, console: Console) -> None:
    """Print the splits with their class shares, the classes by height, and the findings."""
    console.print(f"{found.root}: {found.format}, {found.summary}", highlight=False, markup=False)
    if any(found.usable(split) for split in found.splits):
        console.print(_splits(found))
        console.print(_by_height(found))
    for finding in found.findings:
        style = "red" if finding.level == "problem" else ""
        line = f"{finding.level}: {finding.text}"
        console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)
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
            name = Path(found.splits[split][index].name).name
            chosen.append((f"{split}: {name}", opened, index))
    title = f"{found.root.name}: {found.format}"
    return overlays(chosen, found.task, title) if chosen else None


def _splits(found: Check) -> Table:
    table = Table(title="pixels by split")
    table.add_column("split")
    table.add_column("images", justify="right")
    table.add_column("size", justify="right")
    for name in found.names:
        table.add_column(escape(name), justify="right", overflow="fold")
    for split in found.splits:
        usable = found.usable(split)
        sizes = {one.size for one in usable}
        size = "{1}x{0}".format(*next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes)} sizes"
        shares = [_percent(share) for share in found.shares(split)]
        table.add_row(split, str(len(usable)), size, *shares)
    return table


def _by_height(found: Check) -> Table:
    table = Table(title="pixels by height in the picture, from the top")
    table.add_column("rows", justify="right")
    for name in found.names:
        table.add_column(escape(name), justify="right", overflow="fold")
    bands = found.bands()
    for k, shares in enumerate(bands):
        rows = f"{100 * k // len(bands)}-{100 * (k + 1) // len(bands)} %"
        table.add_row(rows, *(_percent(share) for share in shares))
    return table


def _percent(share: float) -> str:
    return "-" if np.isnan(share) or share == 0 else f"{100 * share:.1f} %"
