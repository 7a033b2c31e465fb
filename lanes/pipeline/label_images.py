"""Labels single images, and writes an overlay, a label map, instances and table rows for each.

Three threads overlap, with short queues between them: reading, inference, counting and writing.
"""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2

from lanes import tasks
from lanes.card import ModelCard
from lanes.cells import instances
from lanes.cells import tables as cell_tables
from lanes.cells.doubt import DOUBTFUL, Signs, signs_of
from lanes.cells.geojson import feature_collection
from lanes.colour import default_colour, from_bgr
from lanes.draw.outlines import draw_outlines
from lanes.draw.overlay import ALPHA, overlay_bgr
from lanes.draw.text import note
from lanes.errors import BadInput, BadOutput
from lanes.images.read import pages, read_picture
from lanes.images.resize import resize_labels
from lanes.pipeline.find_cells import (
    ScaledLabels,
    check_diameter,
    estimate,
    given_diameter,
    label_cells,
)
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.stages import Background, prefetch
from lanes.pipeline.wrong_pictures import mismatch, other_kind
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.atomic import make_folder
from lanes.types import Frame, Image, LabelMap, PictureKind, Result, Task
from lanes.video.images import SUFFIXES, find_images, is_image
from lanes.video.output_files import CsvFile, write_image, write_json

CELLS, SUMMARY = "cells.csv", "summary.csv"
OVERLAY, LABELS, INSTANCES = "_overlay.png", "_labels.png", "_instances.tif"
OUTLINES = "_cells.geojson"
OUTLINED_ALPHA = 0.25
"""Opacity of the overlay under outlines; low, so that the stain stays visible."""
AHEAD = 2
"""Number of images queued between two threads."""
FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True)
class ImageOptions:
    """Options of the output; see `lanes-image --help`. `alpha` None is the task's default.

    `lines` draws the lane lines and the own lane, too, if the task has them.
    """

    um_per_pixel: float | None = None
    alpha: float | None = None
    overwrite: bool = False
    cell_diameter: float | None = None
    geojson: bool = False
    lines: bool = False

    @property
    def diameter(self) -> float | None:
        """The diameter of cells in pixels, if the user gave it or a scale."""
        return given_diameter(self.cell_diameter, self.um_per_pixel)


@dataclass(frozen=True)
class Item:
    """An image file: its `name` in the tables, and the `stem` of its result files."""

    path: Path
    name: str
    stem: str


@dataclass
class Done:
    """The outcome: the number of images labelled (`seen`), of images written, and of cells.

    `skipped` has a message for each file that could not be read, `doubtful` for each such count.
    `other` is the kind of pictures that the model is not for, if there were some (`others`).
    `signal` is the number of the signal that ended the work early, 0 if none did.
    """

    seen: int = 0
    images: int = 0
    cells: int = 0
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    other: PictureKind | None = None
    others: list[str] = field(default_factory=list)
    signal: int = 0


Progress = Callable[[Done, int], None]


def find_items(inputs: Sequence[str]) -> list[Item]:
    """The images of files, folders and globs, without duplicates, with unique names.

    Raises:
        BadInput: an input does not exist, has no images, or is not an image.
    """
    paths: dict[Path, Path] = {}
    for given in inputs:
        for path in find_images(Path(given).expanduser() if given.startswith("~") else given):
            if not is_image(path):
                raise BadInput(
                    f"{path} is not an image ({', '.join(SUFFIXES)}); for videos use lanes-video"
                )
            paths.setdefault(path.resolve(), path)
    names = Counter(path.name for path in paths.values())
    taken: set[str] = set()
    items = []
    for path in paths.values():
        # Use the path if files in different folders have the same name.
        name = path.name if names[path.name] == 1 else str(path)
        items.append(Item(path, name, _free_stem(path.stem, taken)))
    return items


def _free_stem(stem: str, taken: set[str]) -> str:
    """`stem`, or `stem_2` and so on if it is taken; file names may be case-insensitive."""
    free, number = stem, 1
    while free.casefold() in taken:
        number += 1
        free = f"{stem}_{number}"
    taken.add(free.casefold())
    return free


def check_options(
    items: Sequence[Item], card: ModelCard, folder: Path, options: ImageOptions
) -> None:
    """Check that `label_images` can write its results to `folder`, with the model of `card`.

    Raises:
        BadInput: a number is out of range, or a scale is given for a task without cells.
        BadOutput: a result exists already, or would overwrite an input.
    """
    scale, task = options.um_per_pixel, tasks.load(card.task)
    check_diameter(options.cell_diameter, card)
    if scale is not None and not 0 < scale < math.inf:
        raise BadInput(f"--um-per-pixel {scale}: wanted micrometres per pixel, more than 0")
    if scale is not None and task.things is None:
        raise BadInput(f"--um-per-pixel: the task {task.name!r} counts no cells; leave it out")
    if options.alpha is not None and not 0 <= options.alpha <= 1:
        raise BadInput(f"--alpha {options.alpha}: wanted 0 (invisible) to 1 (opaque)")
    if options.geojson and task.things is None:
        raise BadInput(f"--geojson: the task {task.name!r} counts no cells; leave it out")
    _check_places(items, task, folder, options)


def _check_places(items: Sequence[Item], task: Task, folder: Path, options: ImageOptions) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder} is a file; choose a folder for the results (-o)")
    inputs = {item.path.resolve() for item in items}
    endings = [OVERLAY, LABELS, *([INSTANCES] if task.things else [])]
    endings += [OUTLINES] if options.geojson else []
    places = [folder / SUMMARY, *([folder / CELLS] if task.things else [])]
    places += [folder / f"{item.stem}{ending}" for item in items for ending in endings]
    for place in places:
        if place.resolve() in inputs:
            raise BadOutput(f"{place} is an input; choose another folder (-o)")
        if place.exists() and not options.overwrite:
            raise BadOutput(f"{place} exists already; --overwrite, or choose another folder (-o)")


def label_images(
    items: Sequence[Item],
    segmenter: Segmenter,
    folder: Path,
    options: ImageOptions,
    progress: Progress = lambda done, total: None,
) -> Done:
    """Label `items` and write the results to `folder`; call `check_options` first.

    `progress(done, total)` is called after each image. Images that cannot be read are skipped.
    After a signal (Ctrl-C, SIGTERM, SIGHUP), all files are complete, and the tables list the images
    done so far.

    Raises:
        BadInput: none of the images can be read; nothing is written.
        BadOutput: a result cannot be written.
    """
    done = Done()
    began = time.perf_counter()
    with ending.finishing() as end:
        try:
            with ExitStack() as stack:
                _label(items, segmenter, folder, options, progress, done, stack)
        except KeyboardInterrupt:
            # From the caller's own handler. The context managers have completed their files.
            done.signal = signal.SIGINT
        done.signal = done.signal or end.number
    done.seconds = time.perf_counter() - began
    if said := mismatch(segmenter.card, done.other, done.others):
        done.warnings.append(said)
    return done


def _label(
    items: Sequence[Item],
    segmenter: Segmenter,
    folder: Path,
    options: ImageOptions,
    progress: Progress,
    done: Done,
    stack: ExitStack,
) -> None:
    pictures = stack.enter_context(
        closing(prefetch(_read(items, segmenter, options.diameter, done), AHEAD))
    )
    first = next(pictures, None)
    if first is None and not ending.asked():
        raise BadInput(_none_of(items, done))
    if first is None:
        return
    make_folder(folder)
    writer = _Writer(segmenter.task, folder, options, done, stack)
    background = stack.enter_context(Background(writer.write, AHEAD))
    for item, image, estimated in chain([first], pictures):
        labels = label_cells(image, segmenter, options.diameter, estimated)
        background.put((item, image, labels))
        done.seen += 1
        progress(done, len(items))


def _none_of(items: Sequence[Item], done: Done) -> str:
    if len(items) == 1:
        return done.skipped[0]
    return f"none of the {len(items)} images can be read; the first: {done.skipped[0]}"


def _read(
    items: Sequence[Item], segmenter: Segmenter, diameter: float | None, done: Done
) -> Iterator[tuple[Item, Image, float | None]]:
    """Read the images in order, skip those that cannot be read, and estimate the cells' size."""
    for item in items:
        try:
            image = read_picture(item.path)
        except BadInput as error:
            done.skipped.append(str(error))
            continue
        if (count := pages(item.path)) > 1:
            done.warnings.append(f"{item.path} has {count} images: only the first is labelled")
        if other := other_kind(image, segmenter.task):
            done.other = other
            done.others.append(str(item.path))
        yield item, image, estimate(image, segmenter, diameter)


class _Writer:
    """Counts cells and writes the results, in a separate thread."""

    def __init__(
        self, task: Task, folder: Path, options: ImageOptions, done: Done, stack: ExitStack
    ) -> None:
        self.task, self.folder, self.options, self.done = task, folder, options, done
        scale = options.um_per_pixel
        table = cell_tables.summary_columns(task, scale)
        self.summary = stack.enter_context(CsvFile(folder / SUMMARY, table, options.overwrite))
        self.cells: CsvFile | None = None
        if task.things:
            table = cell_tables.cell_columns(task, scale)
            self.cells = stack.enter_context(CsvFile(folder / CELLS, table, options.overwrite))

    def write(self, work: tuple[Item, Image, ScaledLabels]) -> None:
        """Write the files of one image, then its table rows."""
        item, image, scaled = work
        small = scaled.labels
        labels = resize_labels(small, (image.shape[0], image.shape[1]))
        try:
            if self.cells is None:
                drawn = self._overlay(image, small)
                rows: list[cell_tables.Row] = []
                summary = cell_tables.summary_row(item.name, labels, self.task)
            else:
                drawn, rows, summary = self._counted(item, image, labels, scaled)
        except BadInput as error:
            self.done.skipped.append(f"{item.path}: {error}")
            return
        write_image(self._place(item, LABELS), labels, FAST)
        write_image(self._place(item, OVERLAY), drawn, FAST)
        if self.cells:
            self.cells.write(rows)
        self.summary.write([summary])
        self.done.images += 1
        self.done.cells += len(rows)

    def _overlay(self, image: Image, labels: LabelMap) -> Image:
        alpha = self._alpha(ALPHA)
        if not (self.options.lines and self.task.lines):
            return overlay_bgr(image, labels, self.task, alpha)
        colour = default_colour(image.shape[0])
        frame = Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1), image=image)
        return Labelled(Result(frame, labels, {}), self.task).draw(alpha, lines=True)

    def _counted(
        self, item: Item, image: Image, labels: LabelMap, scaled: ScaledLabels
    ) -> tuple[Image, list[cell_tables.Row], cell_tables.Row]:
        """The overlay, the cells' rows and the image's row; also writes the instances."""
        scale, size = self.options.um_per_pixel, (labels.shape[0], labels.shape[1])
        # Cells are parted at the network's scale, where sizes are as learned.
        found = resize_labels(instances.segment(scaled.labels, self.task), size)
        cells = instances.measure(found, labels, self.task, scale)
        drawn = overlay_bgr(image, labels, self.task, self._alpha(OUTLINED_ALPHA))
        draw_outlines(drawn, found, cells)
        write_image(self._place(item, INSTANCES), found)
        if self.options.geojson:
            write_json(self._place(item, OUTLINES), feature_collection(found, cells))
        rows = cell_tables.cell_rows(item.name, cells, self.task, scale)
        signs = None
        if scaled.counts is not None:
            signs = signs_of(cells, scaled.diameter, scaled.counts, scaled.contrast)
            self._doubted(item, drawn, scaled, signs)
        row = cell_tables.counted_row(
            item.name, size, cells, self.task, scale, scaled.diameter, signs
        )
        return drawn, rows, row

    def _doubted(self, item: Item, drawn: Image, scaled: ScaledLabels, signs: Signs) -> None:
        """Write the scale and a warning on the overlay, in place, and note the warning."""
        how = "given" if self.options.diameter else "estimated"
        px = scaled.diameter
        notes = [f"scale: cells of {px:.0f} px, {how}" if px else "scale: the picture's own"]
        if signs.doubt >= DOUBTFUL:
            notes.append(f"doubtful count: {signs.reason}")
            self.done.doubtful.append(f"{item.path}: doubtful count ({signs.reason})")
        note(drawn, notes)

    def _alpha(self, usual: float) -> float:
        return usual if self.options.alpha is None else self.options.alpha

    def _place(self, item: Item, ending: str) -> Path:
        return self.folder / f"{item.stem}{ending}"
