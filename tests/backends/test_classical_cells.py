"""Classical cells: Otsu's thresholds, filled holes, touching cells split."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes import backends, tasks
from lanes.backends import _classical_cells
from lanes.backends._classical_cells import every_cell, two_thresholds, white_cells
from lanes.cells import instances
from lanes.datasets import synthetic_smear
from lanes.errors import BadInput
from lanes.images.resize import Resize
from lanes.segmenter import Segmenter
from lanes.synthetic import smear
from model_folders import card_of

SLIDE, CELL, DARK = (215, 225, 235), (140, 110, 190), (120, 40, 70)


def slide(*discs, size=(120, 200)):
    """A slide with `discs`: (x, y, radius, colour)."""
    image = np.full((*size, 3), SLIDE, np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (x, y), radius, colour, cv2.FILLED)
    return image


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_touching_cells_get_a_border_and_pale_middles_are_filled():
    image = slide((50, 60, 22, CELL), (92, 60, 22, CELL), (92, 60, 8, SLIDE), (160, 60, 22, CELL))
    labels = every_cell(image)
    assert set(np.unique(labels)) == {0, 1, 2}
    cv2.circle(image, (92, 60), 8, CELL, cv2.FILLED)
    assert iou(labels > 0, (image != SLIDE).any(-1)) > 0.96
    assert labels[60, 92] == 1
    rows, columns = np.nonzero(labels == 2)
    assert np.abs(columns - 71).max() <= 3
    assert np.abs(rows - 60).max() < 12
    assert instances.segment(labels, tasks.load("cell_count")).max() == 3


def test_the_gap_amid_a_ring_of_cells_is_no_cell():
    around = [
        (round(100 + 40 * np.cos(a)), round(60 + 40 * np.sin(a)), 21, CELL)
        for a in np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ]
    alone = [(240, y, 21, CELL) for y in (30, 90, 150)] + [(30, 150, 21, CELL)]
    labels = every_cell(slide(*around, *alone, size=(180, 270)))
    assert labels[60, 100] == 0


def test_specks_are_no_cells():
    image = slide((50, 60, 22, CELL), (120, 60, 22, CELL), (160, 20, 5, DARK), (20, 20, 3, DARK))
    assert instances.segment(every_cell(image), tasks.load("cell_count")).max() == 2


def test_a_white_cell_is_what_holds_a_nucleus():
    blue = (210, 170, 180)
    image = slide(
        (60, 60, 30, blue), (55, 60, 16, DARK), (120, 60, 20, CELL), (170, 60, 20, CELL),
        (110, 15, 3, DARK),
    )  # fmt: skip
    labels = white_cells(image)
    y, x = np.mgrid[:120, :200]
    assert iou(labels > 0, np.hypot(y - 60, x - 60) <= 30) > 0.9
    assert iou(labels == 2, np.hypot(y - 60, x - 55) <= 16) > 0.85
    assert not labels[:, 100:].any()


def test_two_thresholds_are_those_of_a_search():
    rng = np.random.default_rng(0)
    levels = np.concatenate([rng.normal(m, 6, 400) for m in (40, 90, 200)])
    grey = np.clip(levels, 0, 255).astype(np.uint8)[None]

    def between(low, high):
        parts = [grey[grey <= low], grey[(grey > low) & (grey <= high)], grey[grey > high]]
        return sum(len(p) * (p.mean() - grey.mean()) ** 2 for p in parts if len(p))

    best = max(between(a, b) for a in range(30, 210, 3) for b in range(a + 1, 220, 3))
    low, high = two_thresholds(grey)
    assert between(low, high) >= best
    assert 52 < low < 78
    assert 100 < high < 182


@pytest.mark.parametrize("method", [every_cell, white_cells])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (8, 8)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_of_one_colour(method, size, value):
    labels = method(np.full((*size, 3), value, np.uint8))
    assert labels.shape == size
    assert labels.dtype == np.uint8


def test_it_is_a_baseline_worth_the_name():
    task = tasks.load("cell_count")
    both = all_ = missed = cells = 0
    for seed in range(2_000_000, 2_000_004):
        diameter = float(np.random.default_rng([seed, 9]).uniform(36, 58))
        slide = smear.render(smear.smear(seed, diameter, 0.25), (480, 640))
        labels = every_cell(slide.image)
        truth = slide.cells > 0
        both += 2 * ((labels > 0) & truth).sum()
        all_ += (labels > 0).sum() + truth.sum()
        cells += int(slide.cells.max())
        missed += abs(int(instances.segment(labels, task).max()) - int(slide.cells.max()))
    assert both / all_ > 0.9
    assert missed / cells < 0.2
    dataset = synthetic_smear.open("", "val", 6)
    found = [(white_cells(s.image), s.targets) for s in (dataset[i] for i in range(6))]
    assert np.median([iou(labels == 2, truth == 2) for labels, truth in found]) > 0.75


def test_the_whole_picture_is_seen_at_once_where_a_network_takes_tiles(tmp_path):
    """Otsu's threshold of a tile without a cell would be noise."""
    card = card_of((96, 96), task="cell_count", classes=tasks.load("cell_count").class_names,
                   resize=Resize((96, 96), mode="tile"))  # fmt: skip
    card.write(tmp_path)
    image = slide((50, 60, 22, CELL), (92, 60, 22, CELL), size=(260, 330))
    with Segmenter(card, backends.load("classical", tmp_path)) as loaded:
        np.testing.assert_array_equal(loaded.label(image), every_cell(image))
        with pytest.raises(BadInput, match=r"wanted uint8 \(1, 96, 96, 3\)"):
            loaded.backend.submit(image)
    assert _classical_cells.CELL == 1
