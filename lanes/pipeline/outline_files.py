"""Files of outlines, one entry per cell, written as the cells of an image are found."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from lanes.cells.geojson import END, HEAD, JOINT, Corner, Ids, feature
from lanes.cells.instances import Cell
from lanes.cells.rois import region
from lanes.system.atomic import atomic_file, writing


class Add(Protocol):
    """Takes measured cells, and the ids (h, w) around them, whose corner lies at `corner`."""

    def __call__(self, ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)) -> None:
        """Write the outlines of `cells`."""


@contextmanager
def geojson_file(path: Path) -> Iterator[Add]:
    """GeoJSON, as QuPath opens it; appears when it is complete; raises `BadOutput`."""
    with atomic_file(path, durable=False) as part, part.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        joint = ""

        def add(ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)) -> None:
            nonlocal joint
            for cell in cells:
                text = json.dumps(feature(ids, cell, corner), allow_nan=False)
                with writing(path):
                    file.write(f"{joint}{text}")
                joint = JOINT

        yield add
        file.write(END)


@contextmanager
def roi_file(path: Path) -> Iterator[Add]:
    """A ZIP of ImageJ's regions; appears when it is complete; raises `BadOutput`."""
    with (
        atomic_file(path, durable=False) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file,
    ):

        def add(ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)) -> None:
            for cell in cells:
                with writing(path):
                    file.writestr(*region(ids, cell, corner))

        yield add


class OutlineFiles:
    """The outline files of one image; `finish` completes them, `close` without it removes them."""

    def __init__(self, geojson: Path | None, rois: Path | None) -> None:
        """Open the files that have a path."""
        self._stack = ExitStack()
        opened: list[AbstractContextManager[Add]] = []
        opened += [] if geojson is None else [geojson_file(geojson)]
        opened += [] if rois is None else [roi_file(rois)]
        self._adds = [self._stack.enter_context(one) for one in opened]

    def add(self, ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)) -> None:
        """Write the outlines of `cells`; see `Add`."""
        for add in self._adds:
            add(ids, cells, corner)

    def finish(self) -> None:
        """Complete the files."""
        self._stack.close()

    def close(self) -> None:
        """Remove unfinished files."""
        given_up = GeneratorExit()
        self._stack.__exit__(GeneratorExit, given_up, None)
