"""Scores over a data set: pooling, unknown truth, teachers, and what picks a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.metrics.dataset_scores import Scores, score, share_equal
from lanes.metrics.figures import Kind, choice
from lanes.types import Measure, Sample

IMAGE = np.zeros((4, 8, 3), np.uint8)


def values(scores):
    return {figure.name: figure.value for figure in scores.figures()}


def intervals(scores, rounds):
    found = scores.figures_with_intervals(rounds=rounds)
    return {figure.name: (figure.low, figure.high) for figure in found}


class Tiny:
    """Rows: not lane, lane, unknown; like the scored lines of road_marks and tusimple."""

    TASK = "lanes"
    TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    MEASURES = {"lane line": Measure((1,), (2,), lines=True)}

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


class Plain(Tiny):
    """Rows like a user's masks: three classes and unknown; paint counts as drivable."""

    TARGETS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], bool)
    MEASURES = {"drivable": Measure((1, 2), (1, 2)), "lane line": Measure((2,), (2,), lines=True)}


class Scene(Plain):
    """The rows of camvid: each class is a measure."""

    MEASURES = {name: Measure((k,), (k,)) for k, name in enumerate(("sky", "road", "car"))}


def test_iou_is_pooled_over_images_not_averaged():
    scores = Scores(Areas())
    one, two = np.ones((1, 6), np.uint8), np.array([[1, 0, 0, 0, 0, 0]], np.uint8)
    scores.add(Sample(IMAGE, one), one)
    scores.add(Sample(IMAGE, two), np.ones((1, 6), np.uint8))
    figures = values(scores)
    assert figures["drivable iou"] == pytest.approx(7 / 12)
    scores.add(Sample(IMAGE, two), two * 2)
    assert values(scores)["drivable iou"] == pytest.approx(8 / 13)
    assert values(scores)["drivable precision"] == pytest.approx(8 / 13)
    assert values(scores)["drivable recall"] == 1


def test_unknown_truth_counts_for_nothing():
    truth = np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
    labels = np.array([[0, 1, 2, 0, 2, 2]], np.uint8)
    scores = Scores(Tiny())
    scores.add(Sample(IMAGE, truth), labels)
    np.testing.assert_array_equal(scores.matrix, [[1, 1, 0], [1, 0, 1], [0, 0, 0]])
    assert values(scores)["lane line iou"] == 1 / 2


def test_lines_predicted_on_unknown_truth_are_ignored():
    truth, labels = (np.zeros((360, 640), np.uint8) for _ in range(2))
    truth[:, 100] = 1
    truth[:, 300:310] = 2
    labels[:, [100, 305]] = 2
    scores = Scores(Tiny())
    scores.add(Sample(IMAGE, truth), labels)
    assert values(scores)["lane line f4"] == 1
    labels[:, 500] = 2
    scores.add(Sample(IMAGE, truth), labels)
    assert values(scores)["lane line precision"] == pytest.approx(2 / 3)


def test_labels_of_the_networks_size_are_enlarged_to_the_truths():
    truth = np.zeros((4, 8), np.uint8)
    truth[:, 4:] = 1
    scores = Scores(Areas())
    scores.add(Sample(IMAGE, truth), np.array([[0, 1]], np.uint8))
    assert values(scores)["drivable iou"] == 1


class Smear(Tiny):
    """The rows of bbbc041seg."""

    TASK = "cell_count"
    TARGETS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], bool)
    MEASURES = {"cell": Measure((1, 2), (1, 2)), "border": Measure((2, 3), (2,))}


def smear(*boxes):
    """A sample with a cell in each box (top, left, side)."""
    cells = np.zeros((60, 90), np.uint16)
    for number, (top, left, side) in enumerate(boxes, 1):
        cells[top : top + side, left : left + side] = number
    return Sample(IMAGE, (cells > 0).astype(np.uint8), instances=cells)


def test_truth_with_instances_is_compared_thing_by_thing():
    scores = Scores(Smear())
    truth = smear((5, 5, 20), (5, 50, 20), (35, 5, 20))
    scores.add(truth, truth.targets)
    figures = values(scores)
    assert figures["instances ap90"] == figures["instances pq"] == 1
    assert figures["instances mape"] == 0
    missing = smear((5, 5, 20), (5, 50, 20))
    scores.add(truth, missing.targets)
    figures = values(scores)
    assert figures["instances ap50"] == 5 / 6
    assert figures["instances mape"] == pytest.approx(1 / 6)
    found = intervals(scores, rounds=200)
    assert found["instances ap50"] == pytest.approx((2 / 3, 1))
    assert found["instances mape"] == pytest.approx((0, 1 / 3))
    assert scores.judged_by == (("cell", Kind.IOU), ("border", Kind.IOU))
    assert scores.ranking() == [1, 0]


def test_mean_iou_without_the_background_where_no_measure_is_of_it():
    scores = Scores(Smear())
    truth, labels = np.array([[0, 0, 1, 1, 2]], np.uint8), np.array([[0, 1, 1, 1, 2]], np.uint8)
    scores.add(Sample(IMAGE, truth), labels)
    assert values(scores)["miou without background"] == pytest.approx((2 / 3 + 1) / 2)
    scores = Scores(Scene())
    scores.add(Sample(IMAGE, truth), labels)
    assert "miou without background" not in values(scores)


def test_score_labels_every_image():
    found = score(Areas([[0, 1]], [[1, 1]]), lambda image: np.ones((1, 2), np.uint8))
    assert len(found.matrices) == 2
    assert values(found)["drivable iou"] == 3 / 4


def test_a_data_set_without_images_has_no_figures():
    found = score(Areas(), lambda image: image)
    assert np.isnan(values(found)["drivable iou"])


TRUTH = np.array([[0, 0, 0, 0, 1, 1, 2, 3]], np.uint8)
LABELS = np.array([[0, 0, 0, 1, 1, 1, 1, 2]], np.uint8)


def test_plain_truth_has_figures_over_all_classes():
    scores = Scores(Plain())
    scores.add(Sample(IMAGE, TRUTH), LABELS)
    np.testing.assert_array_equal(scores.class_matrix(), [[3, 1, 0], [0, 2, 0], [0, 1, 0]])
    figures = values(scores)
    assert figures["miou"] == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)
    assert figures["pixel accuracy"] == pytest.approx(5 / 7)
    assert figures["class accuracy"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert figures["drivable iou"] == 3 / 4
    assert figures["drivable dice"] == pytest.approx(6 / 7)
    assert intervals(scores, rounds=10)["pixel accuracy"] == pytest.approx((5 / 7, 5 / 7))


def test_plain_truth_may_name_its_classes_in_any_order():
    class Mixed(Scene):
        TARGETS = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]], bool)

    scores = Scores(Mixed())
    truth, labels = np.array([[0, 1, 2, 3]], np.uint8), np.array([[1, 0, 2, 2]], np.uint8)
    scores.add(Sample(IMAGE, truth), labels)
    np.testing.assert_array_equal(scores.class_matrix(), [[1, 0, 1], [0, 1, 0], [0, 0, 1]])


def test_partial_truth_has_no_figure_over_all_classes():
    for dataset in (Tiny(), Areas()):
        assert not Scores(dataset).plain

    class NoPaint(Plain):  # paint is part of drivable and not labelled on its own
        MEASURES = {"drivable": Plain.MEASURES["drivable"]}

    scores = Scores(NoPaint())
    scores.add(Sample(IMAGE, TRUTH), LABELS)
    assert values(scores).keys() == {
        f"drivable {kind}" for kind in ("iou", "dice", "precision", "recall")
    }


def test_the_choice_of_plain_truth_is_the_mean_iou():
    scores = Scores(Scene())
    scores.add(Sample(IMAGE, TRUTH), LABELS)
    assert choice(scores.figures()) == pytest.approx(values(scores)["miou"])
    assert choice(scores.figures("own")) == choice(scores.figures())


def test_an_images_own_score_is_the_mean_of_iou_and_of_the_f4_of_lines():
    scores = Scores(Plain())
    truth, labels = np.zeros((2, 360, 640), np.uint8)
    truth[:180], truth[:, 100] = 1, 2
    labels[:], labels[:, 102] = 1, 2
    scores.add(Sample(IMAGE, truth), labels)
    area = (180 * 640 + 180) / (360 * 640)
    assert scores.judged_by == (("drivable", Kind.IOU), ("lane line", Kind.F4))
    assert scores.of_images() == pytest.approx([(area + 1) / 2])


def test_images_are_ranked_worst_first_and_by_their_faults_where_equal():
    scores = Scores(Areas())
    none, some = np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8)
    scores.add(Sample(IMAGE, none), some)  # 0, one wrong pixel
    scores.add(Sample(IMAGE, some), some)  # 1
    scores.add(Sample(IMAGE, none), none)  # nothing to score
    scores.add(Sample(IMAGE, none), 1 - some)  # 0, three wrong pixels
    assert scores.of_images() == pytest.approx([0, 1, np.nan, 0], nan_ok=True)
    assert scores.ranking() == [3, 0, 1]


def test_intervals_hold_the_figure_and_narrow_with_agreement():
    scores = Scores(Areas())
    random = np.random.default_rng(0)
    for _ in range(20):
        truth = random.integers(0, 2, (8, 8)).astype(np.uint8)
        scores.add(Sample(IMAGE, truth), np.where(random.random((8, 8)) < 0.8, truth, 1 - truth))
    figures = scores.figures_with_intervals(rounds=200)
    assert {figure.name: figure.value for figure in figures} == values(scores)
    for figure in figures:
        low, high = figure.low, figure.high
        assert low < figure.value < high
        assert high - low < 0.2
    same = Scores(Areas())
    for _ in range(3):
        same.add(Sample(IMAGE, np.eye(2, dtype=np.uint8)), np.ones((2, 2), np.uint8))
    assert intervals(same, rounds=50)["drivable iou"] == (0.5, 0.5)


def test_the_interval_of_nothing_is_nan():
    scores = Scores(Areas())
    scores.add(Sample(IMAGE, np.zeros((2, 2), np.uint8)), np.zeros((2, 2), np.uint8))
    assert np.isnan(intervals(scores, rounds=10)["drivable iou"]).all()


def test_share_equal():
    assert share_equal(np.array([1, 2], np.uint8), np.array([1, 3], np.uint8)) == 0.5
