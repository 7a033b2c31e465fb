"""The runs in a folder, as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from lanes.errors import BadInput
from lanes.training import checkpoint as checkpoints
from lanes.training.checkpoint import Checkpoint
from lanes.training.loop import BEST, LAST


@dataclass(frozen=True)
class Past:
    """A run: its name, its last checkpoint, and its best score (0..1).

    `saved` is when it was last saved, in seconds since 1970.
    """

    name: str
    last: Checkpoint
    best: float
    saved: float

    @property
    def state(self) -> str:
        """`done`, or how far it has come."""
        steps = self.last.steps
        if not steps:
            return f"step {self.last.step}"
        return "done" if self.last.step >= steps else f"{self.last.step / steps:.0%}"


def find(folder: Path) -> list[Past]:
    """The runs below `folder`, latest first.

    Raises:
        BadInput: there is no such folder, or a checkpoint is damaged.
    """
    if not folder.is_dir():
        raise BadInput(f"no folder {folder}: lanes train writes its runs into ./runs")
    places = {path.parent for name in (LAST, BEST) for path in folder.rglob(name)}
    return sorted((_read(place, folder) for place in places), key=lambda past: -past.saved)


def _read(place: Path, folder: Path) -> Past:
    file = place / LAST if (place / LAST).exists() else place / BEST
    last = checkpoints.load(file)
    best = checkpoints.load(place / BEST) if (place / BEST).exists() else last
    name = str(place.relative_to(folder)) if place != folder else place.name
    return Past(name, last, best.run["best"], file.stat().st_mtime)


def table(runs: Iterable[Past]) -> Table:
    """The runs in 80 columns."""
    found = Table(caption="score: the mean of IoU and F4 on the choosing split")
    found.add_column("run", overflow="fold", min_width=16)
    found.add_column("network at size", overflow="fold")
    for name in ("steps", "min", "score", "state"):
        found.add_column(name, justify="right")
    found.add_column("saved")
    for past in runs:
        height, width = past.last.config.size
        score = f"{past.best:.3f}" if math.isfinite(past.best) else "-"
        found.add_row(
            escape(past.name),
            f"{past.last.config.model} {width}x{height}",
            str(past.last.step),
            f"{past.last.run['seconds'] / 60:.1f}",
            score,
            past.state,
            time.strftime("%m-%d %H:%M", time.localtime(past.saved)),
        )
    return found
