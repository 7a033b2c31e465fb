"""Contact sheets: images of a data set next to their ground truth and prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from lanes.draw.overlay import overlay_bgr
from lanes.draw.text import LINE, MARGIN, paragraph, width_of, write
from lanes.images.resize import resize_labels
from lanes.types import Dataset, Image, LabelMap, Sample, Size, Task

ENDS = 10
"""Number of the worst and of the best images on a sheet."""
HEIGHT = 180
WIDTHS = (140, 400)
"""Height of an image on the worst/best sheet, and the range of its width, in pixels."""
GAP = 2
DARKER = 3
"""Pixels with unknown ground truth are shown at 1/DARKER of their brightness."""


def shown(sample: Sample, dataset: Dataset) -> LabelMap:
    """The ground truth as a label map (H, W); the first of several possible classes."""
    first = np.argmax(dataset.TARGETS, axis=1).astype(np.uint8)
    labels: LabelMap = first[sample.targets]
    return labels


def triple(
    sample: Sample, dataset: Dataset, label: Callable[[Image], LabelMap], task: Task, cell: Size
) -> Image:
    """Image, ground truth and prediction side by side, each fitted into `cell` (height, width)."""
    image, truth = _image_and_truth(sample, dataset, task, cell)
    predicted = overlay_bgr(image, label(sample.image), task)
    return np.pad(
        np.hstack([_padded(picture, cell) for picture in (image, truth, predicted)]),
        ((GAP, GAP), (GAP, GAP), (0, 0)),
        constant_values=255,
    )


def _image_and_truth(
    sample: Sample, dataset: Dataset, task: Task, cell: Size
) -> tuple[Image, Image]:
    """The image fitted into `cell`, and a copy with the truth drawn over it."""
    scale = min(cell[0] / sample.image.shape[0], cell[1] / sample.image.shape[1])
    height, width = (max(round(side * scale), 1) for side in sample.image.shape[:2])
    scaled = cv2.resize(sample.image, (width, height), interpolation=cv2.INTER_AREA)
    image = np.asarray(scaled, np.uint8)
    lines = {k for m in dataset.MEASURES.values() if m.lines for k in m.targets}
    targets = resize_labels(sample.targets, (height, width), lines)
    truth = overlay_bgr(image, shown(replace(sample, targets=targets), dataset), task)
    unknown = np.asarray(np.all(dataset.TARGETS, axis=1))[targets]
    truth[unknown] = truth[unknown] // DARKER
    return image, truth


def overlays(
    chosen: Sequence[tuple[str, Dataset, int]], task: Task, title: str, columns: int = 3
) -> Image:
    """A sheet (BGR) of truth drawn over images, with a legend.

    `chosen` has a caption, a data set of `task`, and an index in it, for each image.
    """
    cell = _cell(chosen[0][1])
    pictures = [
        np.vstack([_caption(caption, cell[1] + 2 * GAP), _framed(dataset, index, task, cell)])
        for caption, dataset, index in chosen
    ]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % columns)
    rows = [np.hstack(pictures[k : k + columns]) for k in range(0, len(pictures), columns)]
    width = rows[0].shape[1]
    notes = [paragraph(note, width) for note in (title, *_notes(chosen[0][1], task))]
    return np.asarray(np.vstack([*notes, legend(task, width), *rows]), np.uint8)


def _caption(text: str, width: int) -> Image:
    """A strip with `text`, or with its end if it is too long."""
    strip = np.full((LINE, width, 3), 255, np.uint8)
    starts = range(len(text) + 1)
    fitting = (text[k:] if k == 0 else f"...{text[k:]}" for k in starts)
    write(strip, next((t for t in fitting if width_of(t) <= width - 2 * MARGIN), ""), MARGIN, 0)
    return strip


def _framed(dataset: Dataset, index: int, task: Task, cell: Size) -> Image:
    """The image with its truth drawn over it, in a white frame around `cell`."""
    sample = dataset[index]
    _, truth = _image_and_truth(sample, dataset, task, cell)
    edge = ((GAP, GAP), (GAP, GAP), (0, 0))
    return np.pad(_padded(truth, cell), edge, constant_values=255)


def worst_best(
    ranking: Sequence[int],
    captions: Sequence[str],
    dataset: Dataset,
    label: Callable[[Image], LabelMap],
    task: Task,
    title: str,
) -> Image:
    """A sheet (BGR) of the first ten and the last ten images of `ranking`.

    `ranking` has indices of `dataset`, worst first; `captions` has a text for each image of
    `dataset`. The images are read and labelled again, so that the caller need not keep them.
    """
    cell = _cell(dataset)
    width = 3 * cell[1] + 2 * GAP
    parts = []
    for name, part in zip(("worst", "best"), ends(ranking), strict=True):
        rows = [
            np.vstack(
                [paragraph(captions[i], width), triple(dataset[i], dataset, label, task, cell)]
            )
            for i in part
        ]
        heading = f"The {len(part)} {name}: image, truth, prediction" if part else ""
        parts.append(np.vstack([paragraph(heading, width), *rows]))
    height = max(len(part) for part in parts)
    body = np.hstack([_padded(part, (height, width), above=0) for part in parts])
    notes = [paragraph(note, body.shape[1]) for note in (title, *_notes(dataset, task))]
    return np.asarray(np.vstack([*notes, legend(task, body.shape[1]), body]), np.uint8)


def ends(ranking: Sequence[int]) -> tuple[list[int], list[int]]:
    """Up to ten worst (worst first) and up to ten best (best first) of `ranking`; disjoint."""
    count = min(ENDS, (len(ranking) + 1) // 2)
    return list(ranking[:count]), list(ranking[count:][::-1][:ENDS])


def legend(task: Task, width: int) -> Image:
    """A white strip with the colour and the name of each class."""
    row, rows, x = np.full((LINE, width, 3), 255, np.uint8), [], MARGIN
    for c in task.classes:
        name = c.name if c.alpha else f"{c.name} (not tinted)"
        needed = LINE + width_of(name) + 3 * MARGIN
        if x > MARGIN and x + needed > width:
            rows.append(row)
            row, x = np.full((LINE, width, 3), 255, np.uint8), MARGIN
        box = (x, 4), (x + LINE - 8, LINE - 4)
        colour = c.colour if c.alpha else (255, 255, 255)
        cv2.rectangle(row, *box, colour, cv2.FILLED)
        cv2.rectangle(row, *box, (128, 128, 128), 1)
        write(row, name, x + LINE, 0)
        x += needed
    return np.vstack([*rows, row])


def _notes(dataset: Dataset, task: Task) -> list[str]:
    """How ground truth without a single class is drawn."""
    notes = []
    for row in np.asarray(dataset.TARGETS):
        names = [task.class_names[k] for k in np.flatnonzero(row)]
        if len(names) == len(row):
            notes.append("dark means unknown")
        elif len(names) > 1:
            notes.append(f"the colour of {names[0]} means {' or '.join(names)}")
    return [f"In the ground truth: {'; '.join(dict.fromkeys(notes))}."] if notes else []


def _cell(dataset: Dataset) -> Size:
    """A cell of the first image's shape, within bounds."""
    height, width = dataset[0].image.shape[:2] if len(dataset) else (HEIGHT, WIDTHS[0])
    return HEIGHT, int(np.clip(round(HEIGHT * width / height), *WIDTHS))


def _padded(picture: Image, size: Size, above: int | None = None) -> Image:
    """`picture` on a white background of `size`, centred, or with `above` rows above it."""
    rows, columns = size[0] - picture.shape[0], size[1] - picture.shape[1]
    top, left = rows // 2 if above is None else above, columns // 2
    sides = ((top, rows - top), (left, columns - left), (0, 0))
    return np.pad(picture, sides, constant_values=255)
