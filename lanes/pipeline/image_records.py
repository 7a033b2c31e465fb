"""What the steps of `lanes.pipeline.label_images` pass on: inputs, options, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lanes.pipeline.find_cells import given_diameter
from lanes.types import PictureKind, Task

CELLS, SUMMARY = "cells.csv", "summary.csv"
OVERLAY, LABELS, INSTANCES = "_overlay.png", "_labels.png", "_instances.tif"
OUTLINES, ROIS = "_cells.geojson", "_rois.zip"
SIZES, HISTOGRAM, SHEET = "sizes.csv", "sizes.png", "doubtful_cells.png"


@dataclass(frozen=True)
class ImageOptions:
    """Options of the output; see `lanes-image --help`. `alpha` None is the task's default.

    `page` counts from 1; `channels` names one channel of a TIFF file, or red, green and blue.
    """

    um_per_pixel: float | None = None
    alpha: float | None = None
    overwrite: bool = False
    cell_diameter: float | None = None
    geojson: bool = False
    rois: bool = False
    report: bool = False
    page: int | None = None
    channels: tuple[str, ...] | None = None

    @property
    def diameter(self) -> float | None:
        """The diameter of cells in pixels, if the user gave it or a scale."""
        return given_diameter(self.cell_diameter, self.um_per_pixel)

    def endings(self, task: Task) -> list[str]:
        """The endings of the result files of each image."""
        counted = [INSTANCES] if task.things else []
        outlines = [OUTLINES] * self.geojson + [ROIS] * self.rois
        return [OVERLAY, LABELS, *counted, *outlines]

    def tables(self, task: Task) -> list[str]:
        """The names of the result files of all images together."""
        report = [SIZES, HISTOGRAM, SHEET] if self.report else []
        return [SUMMARY, *([CELLS, *report] if task.things else [])]


@dataclass(frozen=True)
class Item:
    """An image file: its `name` in the tables, and the `stem` of its result files."""

    path: Path
    name: str
    stem: str


@dataclass
class Done:
    """The outcome: the number of images labelled (`seen`), of images written, and of cells.

    `skipped` has a message for each file that could not be read, `damaged` for each of which a part
    could not, `doubtful` for each such count. `other` is the kind of pictures that the model is not
    for, if there were some (`others`). `part` of the current slide is done, 0..1; `note`
    says it in megapixels. `signal` is the number of the signal that ended the work early, 0 if none
    did.
    """

    seen: int = 0
    images: int = 0
    cells: int = 0
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    other: PictureKind | None = None
    others: list[str] = field(default_factory=list)
    part: float = 0.0
    note: str = ""
    signal: int = 0


Progress: TypeAlias = Callable[[Done, int], None]
