"""Scores over a data set: pooling, unknown truth, teachers, and what picks a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.scores import Scores, choice, score, share_equal
from lanes.types import Measure, Sample

IMAGE = np.zeros((4, 8, 3), np.uint8)


class Tiny:
    """Rows: not lane, lane, unknown; the judged lines of road_marks and tusimple."""

    TASK = "lanes"
    TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    MEASURES = {"lane line": Measure((1,), (2,), lines=True)}
    SOFT_CLASS = None

    def __init__(self, *truths, soft=None):
        self.samples = [Sample(IMAGE, np.array(truth, np.uint8), soft) for truth in truths]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Areas(Tiny):
    """The rows of bdd100k."""

    TARGETS = np.array([[1, 0, 1], [0, 1, 1]], bool)
    MEASURES = {"drivable": Measure((1,), (1, 2))}


def test_iou_is_pooled_over_images_not_averaged():
    scores = Scores(Areas())
    one, two = np.ones((1, 6), np.uint8), np.array([[1, 0, 0, 0, 0, 0]], np.uint8)
    scores.add(Sample(IMAGE, one), one)
    scores.add(Sample(IMAGE, two), np.ones((1, 6), np.uint8))
    figures = scores.figures()
    assert figures["drivable iou"] == pytest.approx(7 / 12)
    scores.add(Sample(IMAGE, two), two * 2)
    assert scores.figures()["drivable iou"] == pytest.approx(8 / 13)
    assert scores.figures()["drivable precision"] == pytest.approx(8 / 13)
    assert scores.figures()["drivable recall"] == 1


def test_unknown_truth_counts_for_nothing():
    truth = np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
    labels = np.array([[0, 1, 2, 0, 2, 2]], np.uint8)
    scores = Scores(Tiny())
    scores.add(Sample(IMAGE, truth), labels)
    np.testing.assert_array_equal(scores.matrix, [[1, 1, 0], [1, 0, 1], [0, 0, 0]])
    assert scores.figures()["lane line iou"] == 1 / 2


def test_lines_predicted_where_truth_is_unknown_are_no_fault():
    truth, labels = (np.zeros((360, 640), np.uint8) for _ in range(2))
    truth[:, 100] = 1
    truth[:, 300:310] = 2
    labels[:, [100, 305]] = 2
    scores = Scores(Tiny())
    scores.add(Sample(IMAGE, truth), labels)
    assert scores.figures()["lane line f4"] == 1
    labels[:, 500] = 2
    scores.add(Sample(IMAGE, truth), labels)
    assert scores.figures()["lane line precision"] == pytest.approx(2 / 3)


def test_labels_of_the_networks_size_are_enlarged_to_the_truths():
    truth = np.zeros((4, 8), np.uint8)
    truth[:, 4:] = 1
    scores = Scores(Areas())
    scores.add(Sample(IMAGE, truth), np.array([[0, 1]], np.uint8))
    assert scores.figures()["drivable iou"] == 1


def test_a_teacher_is_compared_with_its_class():
    class Taught(Areas):
        SOFT_CLASS = 2

    truth, soft, labels = (np.zeros((360, 640), np.uint8) for _ in range(3))
    soft[:, 50], soft[:, 90] = 255, 127
    labels[:, 52] = 2
    scores = Scores(Taught())
    scores.add(Sample(IMAGE, truth, soft), labels)
    assert scores.figures()["teacher f4"] == 1


def test_score_labels_every_image():
    found = score(Areas([[0, 1]], [[1, 1]]), lambda image: np.ones((1, 2), np.uint8))
    assert len(found.matrices) == 2
    assert found.figures()["drivable iou"] == 3 / 4


def test_a_data_set_without_images_has_no_figures():
    found = score(Areas(), lambda image: image)
    assert np.isnan(found.figures()["drivable iou"])


def test_intervals_hold_the_figure_and_narrow_with_agreement():
    scores = Scores(Areas())
    random = np.random.default_rng(0)
    for _ in range(20):
        truth = random.integers(0, 2, (8, 8)).astype(np.uint8)
        scores.add(Sample(IMAGE, truth), np.where(random.random((8, 8)) < 0.8, truth, 1 - truth))
    figures, intervals = scores.figures(), scores.intervals(rounds=200)
    assert intervals.keys() == figures.keys()
    for name, (low, high) in intervals.items():
        assert low < figures[name] < high
        assert high - low < 0.2
    same = Scores(Areas())
    for _ in range(3):
        same.add(Sample(IMAGE, np.eye(2, dtype=np.uint8)), np.ones((2, 2), np.uint8))
    assert same.intervals(rounds=50)["drivable iou"] == (0.5, 0.5)


def test_the_interval_of_nothing_is_nan():
    scores = Scores(Areas())
    scores.add(Sample(IMAGE, np.zeros((2, 2), np.uint8)), np.zeros((2, 2), np.uint8))
    assert np.isnan(scores.intervals(rounds=10)["drivable iou"]).all()


def test_the_choice_is_the_mean_of_iou_and_f4():
    figures = {"a iou": 0.4, "a precision": 1.0, "b f4": 0.8, "c iou": float("nan")}
    assert choice(figures) == pytest.approx(0.6)


@pytest.mark.parametrize("figures", [{}, {"a iou": float("nan")}, {"a recall": 1.0}])
def test_nothing_to_judge_is_the_worst_choice_and_no_nan(figures):
    assert choice(figures) == float("-inf")


def test_share_equal():
    assert share_equal(np.array([1, 2], np.uint8), np.array([1, 3], np.uint8)) == 0.5
