"""The distribution of cells over diameters: counts in bins of a fixed width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lanes.cells.tables import Row, Totals

PIXELS, MICROMETRES = 1.0, 0.25
"""Widths of the bins."""


class Sizes:
    """Counts of whole cells by image, kind and bin; in micrometres if their scale is known."""

    def __init__(self, um_per_pixel: float | None) -> None:
        """Start without cells."""
        self.scale = um_per_pixel
        self.unit = "px" if um_per_pixel is None else "um"
        self.width = PIXELS if um_per_pixel is None else MICROMETRES
        self.counts: dict[str, dict[str, Counter[int]]] = {}

    def add(self, image: str, totals: Totals) -> None:
        """Add the whole cells of an image."""
        per_pixel = 1.0 if self.scale is None else self.scale
        self.counts[image] = {
            kind: Counter(int(one * per_pixel / self.width) for one in diameters)
            for kind, diameters in totals.diameters.items()
        }

    @property
    def columns(self) -> list[str]:
        """The columns of `sizes.csv`."""
        return ["image", "kind", f"from_{self.unit}", f"to_{self.unit}", "cells"]

    def rows(self) -> Iterator[Row]:
        """The rows of `sizes.csv`: bins with cells, in order."""
        for image, kinds in self.counts.items():
            for kind, bins in kinds.items():
                for k in sorted(bins):
                    values = (image, kind, k * self.width, (k + 1) * self.width, bins[k])
                    yield dict(zip(self.columns, values, strict=True))

    def together(self) -> dict[str, Counter[int]]:
        """The counts of all images, by kind and bin."""
        found: dict[str, Counter[int]] = {}
        for kinds in self.counts.values():
            for kind, bins in kinds.items():
                found.setdefault(kind, Counter()).update(bins)
        return found
