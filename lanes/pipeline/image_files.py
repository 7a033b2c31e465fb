"""Counts the cells of labelled images, and writes the files and table rows of each."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from lanes.cells import instances
from lanes.cells import tables as cell_tables
from lanes.cells.doubt import DOUBTFUL, Signs
from lanes.cells.geojson import Corner, Ids
from lanes.cells.instances import Cell
from lanes.cells.sizes import Sizes
from lanes.cells.tables import Totals
from lanes.colour import default_colour, from_bgr
from lanes.draw.cell_sheet import CellSheet
from lanes.draw.histogram import histogram
from lanes.draw.outlines import draw_outlines
from lanes.draw.overlay import ALPHA, overlay_bgr
from lanes.draw.text import note
from lanes.errors import BadInput
from lanes.images.resize import resize_labels, resize_smoothly
from lanes.images.slide import Picture, Slide
from lanes.pipeline.find_cells import ScaledLabels, signs_in
from lanes.pipeline.image_records import (
    CELLS,
    HISTOGRAM,
    INSTANCES,
    LABELS,
    OUTLINES,
    OVERLAY,
    ROIS,
    SHEET,
    SIZES,
    SUMMARY,
    Done,
    ImageOptions,
    Item,
)
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.outline_files import OutlineFiles
from lanes.pipeline.slide_plan import Plan
from lanes.pipeline.slides import SlideCells
from lanes.system.atomic import writing
from lanes.types import Frame, Image, LabelMap, Result, Size, Task
from lanes.video.output_files import CsvFile, write_image

OUTLINED_ALPHA = 0.25
"""Opacity of the overlay under outlines; low, so that the stain stays visible."""
CHUNK = 1 << 20
"""Characters of table rows that are copied at once."""
FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # one filter for all rows: 0.7 of the time, 6 % more bytes
    FAST += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]


class ImageFiles:
    """Writes the results of images to `folder`, in a separate thread, and notes them in `done`."""

    def __init__(
        self, task: Task, folder: Path, options: ImageOptions, done: Done, stack: ExitStack
    ) -> None:
        """Open the tables, which `stack` closes."""
        self.task, self.folder, self.options, self.done = task, folder, options, done
        scale = options.um_per_pixel
        table = cell_tables.summary_columns(task, scale)
        self.summary = stack.enter_context(CsvFile(folder / SUMMARY, table, options.overwrite))
        self.cells: CsvFile | None = None
        if task.things:
            table = cell_tables.cell_columns(task, scale)
            self.cells = stack.enter_context(CsvFile(folder / CELLS, table, options.overwrite))
        self.sizes, self.sheet = Sizes(scale), CellSheet()

    def write(self, item: Item, picture: Picture, scaled: ScaledLabels) -> None:
        """Write the files of one image, then its table rows."""
        image, small = picture.image, scaled.labels
        enlarge = resize_smoothly if self.task.things else resize_labels
        labels = enlarge(small, (image.shape[0], image.shape[1]))
        try:
            if self.cells is None:
                drawn = self._overlay(image, small)
                rows: list[cell_tables.Row] = []
                summary = cell_tables.summary_row(item.name, labels, self.task)
            else:
                drawn, rows, summary = self._counted(item, picture, labels, scaled)
        except BadInput as error:
            self.done.skipped.append(f"{item.path}: {error}")
            return
        write_image(self.place(item, LABELS), labels, FAST)
        write_image(self.place(item, OVERLAY), drawn, FAST)
        if self.cells:
            self.cells.write(rows)
        self.summary.write([summary])
        self.note_damage(item, picture.damage)
        self.done.images += 1
        self.done.cells += len(rows)

    def _overlay(self, image: Image, labels: LabelMap) -> Image:
        alpha = self.alpha(ALPHA)
        if not (self.options.lines and self.task.lines):
            return overlay_bgr(image, labels, self.task, alpha)
        colour = default_colour(image.shape[0])
        frame = Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1), image=image)
        return Labelled(Result(frame, labels, {}), self.task).draw(alpha, lines=True)

    def _counted(
        self, item: Item, picture: Picture, labels: LabelMap, scaled: ScaledLabels
    ) -> tuple[Image, list[cell_tables.Row], cell_tables.Row]:
        """The overlay, the cells' rows and the image's row; also writes the instances."""
        scale, size = self.options.um_per_pixel, (labels.shape[0], labels.shape[1])
        # Cells are parted at the network's scale, where sizes are as learned.
        parted = instances.segment(scaled.labels, self.task)
        found = resize_smoothly(parted, size)
        cells = instances.measure(found, labels, self.task, scale)
        tint = without_border(labels, self.task)
        drawn = overlay_bgr(picture.image, tint, self.task, self.alpha(OUTLINED_ALPHA))
        draw_outlines(drawn, found, cells)
        write_image(self.place(item, INSTANCES), found)
        outlines = self.outlines(item)
        try:
            outlines.add(found, cells)
            outlines.finish()
        finally:
            outlines.close()
        totals = Totals.of(cells)
        self.report(item, picture.image, found, cells)
        self.sizes.add(item.name, totals)
        rows = cell_tables.cell_rows(item.name, cells, self.task, scale)
        signs = signs_in(scaled, parted, self.task, size, cells)
        if signs is not None:
            note(drawn, self.notes(item, scaled.diameter, signs))
        row = self.row(item, size, totals, scaled.diameter, signs, picture.damage)
        return drawn, rows, row

    def row(
        self,
        item: Item,
        size: Size,
        totals: Totals,
        diameter: float | None,
        signs: Signs | None,
        damage: str,
    ) -> cell_tables.Row:
        """The image's row of the summary."""
        scale = self.options.um_per_pixel
        return cell_tables.counted_row(
            item.name, size, totals, self.task, scale, diameter, signs, damage
        )

    def notes(self, item: Item, diameter: float | None, signs: Signs) -> list[str]:
        """The scale and a warning, for the overlay; also notes the warning."""
        how = "given" if self.options.diameter else "estimated"
        notes = [
            f"scale: cells of {diameter:.0f} px, {how}" if diameter else "scale: the picture's own"
        ]
        if signs.doubt >= DOUBTFUL:
            notes.append(f"doubtful count: {signs.reason}")
            self.done.doubtful.append(f"{item.path}: doubtful count ({signs.reason})")
        return notes

    def outlines(self, item: Item) -> OutlineFiles:
        """The files of outlines of an image."""
        return OutlineFiles(
            self.place(item, OUTLINES) if self.options.geojson else None,
            self.place(item, ROIS) if self.options.rois else None,
        )

    def report(
        self, item: Item, image: Image, ids: Ids, cells: Sequence[Cell], corner: Corner = (0, 0)
    ) -> None:
        """Look for doubtful cells, if a report is wanted."""
        if self.options.report:
            self.sheet.offer(item.name, image, ids, cells, corner)

    def finish(self) -> None:
        """Write the report on all images, if wanted."""
        if not self.options.report or self.cells is None:
            return
        sizes, unit = self.sizes, "um" if self.sizes.unit == "um" else "pixels"
        with CsvFile(self.folder / SIZES, sizes.columns, self.options.overwrite) as table:
            table.write(sizes.rows())
        groups = sizes.together()
        count = sum(one.total() for one in groups.values())
        title = f"{count} whole cells in {len(sizes.counts)} images, by diameter"
        drawn = histogram(groups, sizes.width, title, f"diameter in {unit}")
        write_image(self.folder / HISTOGRAM, drawn, FAST)
        write_image(self.folder / SHEET, self.sheet.picture(), FAST)

    def note_damage(self, item: Item, damage: str) -> None:
        """Note what could not be read, if anything."""
        if damage:
            self.done.damaged.append(f"{item.path}: {damage}")

    def alpha(self, usual: float) -> float:
        """The opacity: as given, or as `usual`."""
        return usual if self.options.alpha is None else self.options.alpha

    def place(self, item: Item, ending: str) -> Path:
        """The path of a result file."""
        return self.folder / f"{item.stem}{ending}"


def without_border(labels: LabelMap, task: Task) -> LabelMap:
    """`labels` with the border as part of the cells, for overlays that have outlines."""
    things = instances.things_of(task)
    if things.border is None:
        return labels
    table = np.arange(256, dtype=np.uint8)
    table[things.border] = things.classes[0]
    return np.asarray(cv2.LUT(labels, table), np.uint8)


class SlideFiles:
    """Counts one slide, in the thread of `files`; its rows and files appear when it is finished."""

    def __init__(self, item: Item, slide: Slide, plan: Plan, files: ImageFiles) -> None:
        """Keep rows and instances in scratch files until `finish`; `close` frees them."""
        assert files.cells is not None, "the plan was refused for tasks without cells"
        self.item, self.slide, self.plan, self.files = item, slide, plan, files
        self.table = files.cells
        with writing(files.folder):
            self.rows = tempfile.TemporaryFile(  # noqa: SIM115 (until `close`)
                "w+", encoding="utf-8", newline="", dir=files.folder
            )
        self.cells = SlideCells(
            plan,
            files.task,
            files.folder,
            files.options.um_per_pixel,
            files.alpha(ALPHA),
            self._write,
        )
        self.outlines = files.outlines(item)

    def _write(self, cells: Sequence[Cell], image: Image, ids: Ids, corner: Corner) -> None:
        scale = self.files.options.um_per_pixel
        rows = cell_tables.cell_rows(self.item.name, cells, self.files.task, scale)
        with writing(self.files.folder):
            self.rows.writelines(map(self.table.line_of, rows))
        self.outlines.add(ids, cells, corner)
        self.files.report(self.item, image, ids, cells, corner)

    def finish(self) -> None:
        """Write the files, then the slide's row."""
        files, plan = self.files, self.plan
        if plan.signs is not None:
            note(self.cells.overlay, files.notes(self.item, plan.diameter, plan.signs))
        self.cells.ids.save(files.place(self.item, INSTANCES))
        self.outlines.finish()
        write_image(files.place(self.item, OVERLAY), self.cells.overlay, FAST)
        self.rows.seek(0)
        while text := self.rows.read(CHUNK):
            self.table.write_text(text)
        damage, totals = self.slide.damage, self.cells.totals
        files.summary.write(
            [files.row(self.item, plan.size, totals, plan.diameter, plan.signs, damage)]
        )
        files.note_damage(self.item, damage)
        files.sizes.add(self.item.name, totals)
        files.done.images += 1
        files.done.cells += totals.cells

    def close(self) -> None:
        """Free the slide and the scratch files, and remove unfinished files."""
        self.cells.close()
        self.outlines.close()
        self.slide.close()
        self.rows.close()
