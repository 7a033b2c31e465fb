"""Pictures of a finished run: its curves, and validation images with truth and prediction."""

from __future__ import annotations

from pathlib import Path

from lanes.training.checkpoint import Checkpoint


def write(folder: Path, best: Checkpoint) -> list[Path]:
    """Write curves.png and samples.png into `folder`."""
    return []
