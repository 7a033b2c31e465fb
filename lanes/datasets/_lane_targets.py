"""From two teachers and partial truth to what a pixel of the task `lanes` may be."""

from __future__ import annotations

from pathlib import Path

SIZE = (360, 640)
"""Height and width of the cache's pictures."""


def cache_file(cache: str | Path, name: str, stem: str) -> Path:
    """The file of the frame `stem` of the data set `name`."""
    return Path(cache) / name / f"{stem}.png"
