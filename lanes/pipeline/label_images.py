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
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from lanes import tasks
from lanes.card import ModelCard
from lanes.cells import rois
from lanes.errors import BadInput, BadOutput, MissingDependency
from lanes.images.slide import Picture, Slide, open_picture
from lanes.pipeline.find_cells import ScaledLabels, check_diameter, estimate, label_cells
from lanes.pipeline.image_files import ImageFiles, SlideFiles
from lanes.pipeline.image_records import (
    CELLS,
    INSTANCES,
    LABELS,
    OVERLAY,
    SUMMARY,
    Done,
    ImageOptions,
    Item,
    Progress,
)
from lanes.pipeline.slide_plan import Plan, plan_of
from lanes.pipeline.slides import label_window, read_windows
from lanes.pipeline.stages import Background, prefetch
from lanes.pipeline.wrong_pictures import mismatch, other_kind
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.atomic import make_folder
from lanes.types import Task
from lanes.video.images import SUFFIXES, find_images, is_image

__all__ = [
    "CELLS", "INSTANCES", "LABELS", "OVERLAY", "SUMMARY", "Done", "ImageOptions", "Item",
    "check_options", "find_items", "label_images",
]  # fmt: skip

Work: TypeAlias = Callable[[], None]
Read: TypeAlias = tuple[Item, Picture | Slide, float | None]
Labelled: TypeAlias = tuple[Item, Picture, ScaledLabels] | tuple[Item, Slide, Plan]
AHEAD = 2
"""Number of images queued between two threads."""


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
        MissingDependency: `rois` needs `roifile`.
    """
    scale, task = options.um_per_pixel, tasks.load(card.task)
    check_diameter(options.cell_diameter, card)
    if scale is not None and not 0 < scale < math.inf:
        raise BadInput(f"--um-per-pixel {scale}: wanted micrometres per pixel, more than 0")
    if scale is not None and task.things is None:
        raise BadInput(f"--um-per-pixel: the task {task.name!r} counts no cells; leave it out")
    if options.alpha is not None and not 0 <= options.alpha <= 1:
        raise BadInput(f"--alpha {options.alpha}: wanted 0 (invisible) to 1 (opaque)")
    for name in ("geojson", "rois", "report"):
        if getattr(options, name) and task.things is None:
            raise BadInput(f"--{name}: the task {task.name!r} counts no cells; leave it out")
    if options.rois:
        rois.library()
    if options.page is not None and options.page < 1:
        raise BadInput(f"--page {options.page}: pages count from 1")
    _check_places(items, task, folder, options)


def _check_places(items: Sequence[Item], task: Task, folder: Path, options: ImageOptions) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder} is a file; choose a folder for the results (-o)")
    inputs = {item.path.resolve() for item in items}
    places = [folder / name for name in options.tables(task)]
    places += [folder / f"{item.stem}{end}" for item in items for end in options.endings(task)]
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
    pictures = stack.enter_context(closing(prefetch(_read(items, segmenter, options, done), AHEAD)))
    labelled = _labelled(pictures, segmenter, options, done)
    first = next(labelled, None)
    if first is None and not ending.asked():
        raise BadInput(_none_of(items, done))
    if first is None:
        return
    make_folder(folder)
    files = ImageFiles(segmenter.task, folder, options, done, stack)
    slides = ExitStack()  # closed after the background has ended
    stack.enter_context(slides)
    background = stack.enter_context(Background(_do, AHEAD))
    tick = partial(progress, done, len(items))
    for item, picture, found in chain([first], labelled):
        if isinstance(picture, Slide):
            assert isinstance(found, Plan)
            work = SlideFiles(item, picture, found, files)
            slides.callback(work.close)
            _label_slide(work, segmenter, background, tick)
        else:
            assert isinstance(found, ScaledLabels)
            background.put(partial(files.write, item, picture, found))
        done.seen, done.part, done.note = done.seen + 1, 0.0, ""
        tick()
    background.put(files.finish)


def _do(work: Work) -> None:
    work()


def _labelled(
    pictures: Iterator[Read], segmenter: Segmenter, options: ImageOptions, done: Done
) -> Iterator[Labelled]:
    """Label whole pictures, and plan slides; skip those that cannot be read."""
    for item, picture, estimated in pictures:
        try:
            if options.rois:
                rois.check_size(picture.size, item.name)
            if isinstance(picture, Picture):
                found = label_cells(picture.image, segmenter, options.diameter, estimated)
                yield item, picture, found
            else:
                yield item, picture, plan_of(picture, segmenter, options.diameter)
        except (BadInput, MissingDependency) as error:
            done.skipped.append(str(error))
            if isinstance(picture, Slide):
                picture.close()


def _label_slide(
    work: SlideFiles, segmenter: Segmenter, background: Background[Work], tick: Work
) -> None:
    """Label the windows of a slide in order; a signal gives it up."""
    done, slide, pixels = work.files.done, work.slide, 0
    with closing(prefetch(read_windows(slide, work.plan), 1)) as windows:
        for window, image in windows:
            labels = label_window(image, work.plan, segmenter)
            background.put(partial(work.cells.add, window, image, labels))
            height, width = window.core.size
            pixels += height * width
            done.part = pixels / 1e6 / slide.megapixels
            done.note = f"{pixels / 1e6:.0f} of {slide.megapixels:.0f} megapixels"
            tick()
    if not ending.asked():
        background.put(work.finish)


def _none_of(items: Sequence[Item], done: Done) -> str:
    if len(items) == 1:
        return done.skipped[0]
    return f"none of the {len(items)} images can be read; the first: {done.skipped[0]}"


def _read(
    items: Sequence[Item], segmenter: Segmenter, options: ImageOptions, done: Done
) -> Iterator[Read]:
    """Read the images in order, skip those that cannot be read, and estimate the cells' size."""
    for item in items:
        try:
            picture = open_picture(item.path, options.page, options.channels)
        except (BadInput, MissingDependency) as error:
            done.skipped.append(str(error))
            continue
        if options.page is None and picture.pages > 1:
            done.warnings.append(
                f"{item.path} has {picture.pages} images: only the first is labelled (--page)"
            )
        if isinstance(picture, Slide):
            yield item, picture, None
        else:
            if other := other_kind(picture.image, segmenter.task):
                done.other = other
                done.others.append(str(item.path))
            yield item, picture, estimate(picture.image, segmenter, options.diameter)
