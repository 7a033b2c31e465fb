"""Log the figures of a run by step: `log.csv` and TensorBoard's files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from lanes.system.atomic import make_folder

CSV = "log.csv"
COLUMNS = ("step", "name", "value")


class Log:
    """Writes every figure immediately, one per line, so that a killed run loses none.

    Fabric's CSVLogger is unsuitable: it buffers lines and deletes an earlier run's file.
    """

    def __init__(self, folder: Path, step: int = 0, writes: bool = True) -> None:
        """Log into `folder`; entries after `step` are deleted. Without `writes`, log nothing."""
        self.writes = writes
        if not writes:
            return
        make_folder(folder)
        self.path = folder / CSV
        kept = [row for row in rows(folder) if row[0] <= step] if step else []
        with self.path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *kept])
        self.board = TensorBoardLogger(
            folder, name="", version="tensorboard", purge_step=step + 1 if step else None
        )

    def write(self, figures: Mapping[str, float], step: int) -> None:
        """Add `figures` by name at `step`."""
        if not self.writes:
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows((step, name, value) for name, value in figures.items())
        self.board.log_metrics(dict(figures), step)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        if not self.writes:
            return
        self.board.finalize("success")


def rows(folder: Path) -> list[tuple[int, str, float]]:
    """The lines (step, name, value) of a run's `log.csv`; empty if the file is missing."""
    path = folder / CSV
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    # A killed run may have left an incomplete line.
    return [(int(line[0]), line[1], float(line[2])) for line in lines if len(line) == 3 and line[2]]
