"""The plots of a run: their content, and robustness to odd logs."""

from __future__ import annotations

import cv2
import numpy as np

from lanes import tasks
from lanes.datasets import image_folder
from lanes.draw.text import LINE
from lanes.training import report
from lanes.types import Sample

TASK = tasks.load("lanes")


class Some:
    """Images of one grey; the left half may be anything, the right half is a line."""

    TASK = "lanes"
    TARGETS = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 1]], bool)
    MEASURES = {}

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        targets = np.zeros((90, 160), np.uint8)
        targets[:, 80:] = 1
        return Sample(np.full((90, 160, 3), 120, np.uint8), targets)


def test_the_sheet_shows_image_truth_and_prediction():
    picture = report.sheet({"own": Some(20)}, lambda image: np.ones((9, 16), np.uint8), TASK)
    height, width = report.CELL
    assert picture.shape == (LINE + 4 * (height + 4), 2 * (3 * width + 4), 3)
    row = picture[LINE + 100, 2:].astype(int)
    image, left, right, predicted = (
        row[at] for at in (20, width + 20, 2 * width - 20, 2 * width + 20)
    )
    assert image.tolist() == [120, 120, 120]
    assert left.tolist() == [40, 40, 40]  # unknown is darkened
    assert right[2] > 200  # the line's red
    assert predicted[1] > predicted[0]
    assert predicted[1] > predicted[2]  # drivable's green


def test_a_sheet_of_few_images_has_a_gap():
    picture = report.sheet({"own": Some(1), "other": Some(3)}, lambda image: image[..., 0], TASK)
    assert picture.shape[0] == 2 * LINE + 3 * (report.CELL[0] + 4)
    assert (picture[LINE + 50, -50] == 255).all()


def test_curves_have_titles_axes_and_every_figure(tmp_path):
    rows = [(s, "loss", 2 / s) for s in range(20, 400, 20)]
    rows += [(s, "learning rate", 1e-3) for s in range(20, 400, 20)]
    rows += [(200, "own drivable iou", 0.4), (380, "own drivable iou", 0.6), (380, "x recall", 0.1)]
    rows += [(60, "loss", float("nan"))]
    figure = report.curves(rows, best_step=380)
    loss, rate, choice = figure.axes
    assert [axes.get_title() for axes in figure.axes] == [
        "Training loss",
        "Learning rate",
        "Choosing splits",
    ]
    assert choice.get_xlabel() == "step"
    assert all(axes.get_ylabel() for axes in figure.axes)
    assert [text.get_text() for text in choice.get_legend().get_texts()] == [
        "own drivable iou",
        "best: step 380",
    ]
    figure.savefig(tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")).shape[0] > 500


def test_curves_of_a_short_run_are_drawn(tmp_path):
    report.curves([(1, "own lane line f4", 0.5)], best_step=1).savefig(tmp_path / "curves.png")


def test_the_worst_and_the_best_are_named(make_config, root):
    dataset = image_folder.open(root, "train")
    picture = report.ranked(dataset, "own", lambda image: np.ones((9, 16), np.uint8), make_config())
    half = report.ranked(
        dataset, "own", lambda image: np.ones((9, 16), np.uint8), make_config(choose_images=4)
    )
    assert picture.shape[0] > half.shape[0] > 200
    assert picture.shape[1] == half.shape[1]
