"""Figures by hand: what each pixel counts for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional import classification

from lanes.errors import BadInput
from lanes.metrics import confusion_matrix as metrics
from lanes.metrics.confusion_matrix import LineCounts, confusion_matrix, dice, iou, line_counts
from lanes.types import Measure


def test_iou_and_dice_by_hand():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    labels = np.array([[0, 1, 1, 1]], np.uint8)
    matrix = confusion_matrix(truth, labels, classes=2)
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 2]])
    assert iou(matrix) == pytest.approx([1 / 2, 2 / 3])
    assert dice(matrix) == pytest.approx([2 / 3, 4 / 5])


def test_ignored_pixels_count_for_nothing():
    truth = np.array([[0, 255, 1, 255]], np.uint8)
    labels = np.array([[0, 1, 1, 0]], np.uint8)
    np.testing.assert_array_equal(confusion_matrix(truth, labels, 2), [[1, 0], [0, 1]])


def test_a_class_in_neither_map_has_no_iou():
    labels = np.zeros((2, 2), np.uint8)
    found = iou(confusion_matrix(labels, labels, 3))
    assert found[0] == 1
    assert np.isnan(found[1:]).all()


def test_accuracies_and_mean_iou_by_hand():
    # Class 2 occurs nowhere, class 1 is never predicted, class 3 is predicted but never true.
    matrix = np.array([[6, 0, 0, 2], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert metrics.pixel_accuracy(matrix) == 6 / 10
    assert metrics.class_accuracy(matrix) == pytest.approx((6 / 8 + 0) / 2)
    assert metrics.miou(matrix) == pytest.approx((6 / 10 + 0 + 0) / 3)
    np.testing.assert_equal(metrics.recall(matrix), [6 / 8, 0, np.nan, np.nan])
    np.testing.assert_equal(metrics.precision(matrix), [6 / 8, np.nan, np.nan, 0])


def test_the_means_of_nothing_are_nan():
    nothing = np.zeros((3, 3), np.int64)
    for figure in (metrics.miou, metrics.pixel_accuracy, metrics.class_accuracy):
        assert np.isnan(figure(nothing))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [3, 5, 11, 20])
def test_figures_agree_with_torchmetrics(classes, seed):
    random = np.random.default_rng([classes, seed])
    # The last class occurs in neither map.
    truth, labels = random.integers(0, classes - 1, (2, 40, 60)).astype(np.uint8)
    labels = np.where(random.random(truth.shape) < 0.5, truth, labels)
    truth[random.random(truth.shape) < 0.2] = 255
    matrix = confusion_matrix(truth, labels, classes)
    given = [torch.from_numpy(array.astype(np.int64)) for array in (labels, truth)]

    def theirs(figure, **options):
        return figure(*given, num_classes=classes, ignore_index=255, **options).numpy()

    jaccard, f1 = classification.multiclass_jaccard_index, classification.multiclass_f1_score
    accuracy = classification.multiclass_accuracy
    np.testing.assert_array_equal(theirs(classification.multiclass_confusion_matrix), matrix)
    for ours, wanted in (
        (iou, theirs(jaccard, average="none")),
        (dice, theirs(f1, average="none")),
        (metrics.recall, theirs(accuracy, average="none")),
        (metrics.precision, theirs(classification.multiclass_precision, average="none")),
    ):
        # A class that occurs nowhere is NaN here, and 0 in torchmetrics.
        assert np.isnan(ours(matrix)[-1])
        assert np.nan_to_num(ours(matrix)) == pytest.approx(wanted, abs=1e-6)
    for mean, wanted in (
        (metrics.miou, theirs(jaccard, average="macro")),
        (metrics.pixel_accuracy, theirs(accuracy, average="micro")),
        (metrics.class_accuracy, theirs(accuracy, average="macro")),
    ):
        assert mean(matrix) == pytest.approx(float(wanted), abs=1e-6)


@pytest.mark.parametrize(("rows", "classes"), [(2, 3), (3, 3), (11, 11), (15, 17), (16, 16)])
@pytest.mark.parametrize("shape", [(7, 9), (64, 96), (5, 0), (63,)])
def test_counting_is_exact_on_both_ways(rows, classes, shape):
    random = np.random.default_rng(0)
    truth = random.integers(0, rows, shape).astype(np.uint8)
    labels = random.integers(0, classes, shape).astype(np.uint8)
    truth[random.random(shape) < 0.2] = 255
    wanted = np.zeros((rows, classes), int)
    np.add.at(wanted, (truth[truth < 255], labels[truth < 255]), 1)
    np.testing.assert_array_equal(confusion_matrix(truth, labels, classes, rows), wanted)


@pytest.mark.parametrize(
    ("truth", "labels"), [([0, 2], [0, 1]), ([0, 1], [0, 2]), ([0, 254], [0, 1]), ([1], [255])]
)
def test_ids_out_of_range_are_reported(truth, labels):
    arrays = [np.array([values], np.uint8) for values in (truth, labels)]
    with pytest.raises(BadInput, match="wanted ids below 2 and 2"):
        confusion_matrix(*arrays, classes=2)


def test_labels_under_ignored_truth_may_be_anything():
    truth, labels = np.array([[0, 255]], np.uint8), np.array([[1, 200]], np.uint8)
    np.testing.assert_array_equal(confusion_matrix(truth, labels, 2), [[0, 1], [0, 0]])


def test_shapes_that_differ_are_reported():
    with pytest.raises(BadInput, match="resize one of them"):
        confusion_matrix(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)


def test_drivable_counts_predicted_paint_as_road():
    # Rows: not drivable, drivable. Columns: background, drivable, lane line.
    matrix = np.array([[50, 10, 5], [8, 20, 7]])
    measure = Measure(targets=(1,), classes=(1, 2))
    assert metrics.measure_iou(matrix, measure) == pytest.approx(27 / (27 + 8 + 15))
    assert metrics.measure_dice(matrix, measure) == pytest.approx(54 / (42 + 35))
    assert metrics.measure_precision(matrix, measure) == pytest.approx(27 / 42)
    assert metrics.measure_recall(matrix, measure) == pytest.approx(27 / 35)


def test_a_measure_of_nothing_is_nan():
    matrix = np.array([[5, 0], [0, 0]])
    measure = Measure((1,), (1,))
    assert np.isnan(metrics.measure_iou(matrix, measure))
    assert np.isnan(metrics.measure_dice(matrix, measure))
    assert np.isnan(metrics.measure_precision(matrix, measure))


def column(*xs, size=(360, 640)):
    mask = np.zeros(size, bool)
    mask[:, list(xs)] = True
    return mask


@pytest.mark.parametrize(("distance", "near"), [(0, True), (4, True), (5, False)])
def test_a_line_within_four_pixels_fits(distance, near):
    counts = line_counts(column(100), column(100 + distance))
    assert counts == LineCounts(360 * near, 360, 360 * near, 360)
    assert counts.f4 == near


def test_f4_is_the_harmonic_mean_of_precision_and_recall():
    # One of two predicted columns matches; one of four true ones is found.
    counts = line_counts(column(100, 200, 300, 400), column(100, 500))
    assert counts.precision == 1 / 2
    assert counts.recall == 1 / 4
    assert counts.f4 == pytest.approx(1 / 3)


def test_f4_of_empty_maps():
    nothing, line = column(), column(9)
    assert np.isnan(line_counts(nothing, nothing).f4)
    assert line_counts(line, nothing).f4 == 0
    assert np.isnan(line_counts(line, nothing).precision)
    assert line_counts(nothing, line).f4 == 0
    assert np.isnan(line_counts(nothing, line).recall)


def test_larger_masks_are_averaged_and_cut():
    # At twice the size a column one pixel wide is half of its cell, so it is kept.
    fine = column(200, size=(720, 1280))
    assert line_counts(fine, fine) == LineCounts(360, 360, 360, 360)
    # One pixel in four (a quarter) is below 0.3.
    dots = np.zeros((720, 1280), bool)
    dots[::2, 200] = True
    assert line_counts(dots, dots) == LineCounts()


def test_counts_of_pictures_are_pooled():
    assert LineCounts(1, 2, 3, 4) + LineCounts(10, 20, 30, 40) == LineCounts(11, 22, 33, 44)


def test_bootstrap_draws_whole_images_with_replacement():
    counts = np.array([[1, 0], [0, 10], [5, 5]])
    sums = metrics.bootstrap(counts, rounds=200, seed=1)
    assert sums.shape == (200, 2)
    possible = {(a * 1 + 5 * c, 10 * b + 5 * c) for a in range(4) for b in range(4 - a)
                for c in [3 - a - b]}  # fmt: skip
    assert set(map(tuple, sums.tolist())) <= possible
    assert sums.mean(0) == pytest.approx(counts.sum(0), rel=0.1)
    np.testing.assert_array_equal(sums, metrics.bootstrap(counts, rounds=200, seed=1))


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_any_integer_type_counts_alike(kind):
    truth = np.array([[0, 0, 1], [1, 1, 0]], kind)
    labels = np.array([[0, 1, 1], [1, 0, 0]], kind)
    wanted = [[2, 1], [1, 2]]
    assert metrics.confusion_matrix(truth, labels, 2).tolist() == wanted
    assert metrics.confusion_matrix(truth.astype(np.uint8), labels, 2).tolist() == wanted


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[300, 0]], np.uint16), "truth holds 0 to 300; wanted 0 to 255"),
        (np.array([[-1, 0]], np.int32), "truth holds -1 to 0"),
        (np.array([[0.0, 1.0]]), "truth holds float64; wanted integer ids"),
    ],
)
def test_no_value_is_dropped_or_rounded_without_a_word(values, words):
    labels = np.zeros((1, 2), np.uint8)
    with pytest.raises(BadInput, match=words):
        metrics.confusion_matrix(values, labels, 2)
    with pytest.raises(BadInput, match=words.replace("truth", "labels")):
        metrics.confusion_matrix(labels, values, 2)


def test_lines_may_be_masks_of_any_integer_type():
    line = np.zeros((360, 640), bool)
    line[:, 100] = True
    wanted = metrics.line_counts(line, line)
    for kind in (np.uint8, np.int64):
        assert metrics.line_counts(line.astype(kind) * 255, line.astype(kind)) == wanted
