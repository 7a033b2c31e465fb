"""TuSimple's score on cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lanes.metrics.tusimple import Scores, mean_scores, score_frame

ROWS = np.arange(200.0, 400.0, 10.0)  # 20 rows


def upright(*xs):
    return np.array([[x] * len(ROWS) for x in xs], float).reshape(-1, len(ROWS))


def test_truth_against_itself():
    truth = upright(100, 300, 500)
    assert score_frame(truth, truth, ROWS) == Scores(1.0, 0.0, 0.0)
    assert score_frame(truth, truth, ROWS).f1 == 1.0


@pytest.mark.parametrize(("shift", "accuracy"), [(19, 1.0), (20, 0.0), (25, 0.0)])
def test_an_upright_line_may_be_less_than_20_px_away(shift, accuracy):
    scores = score_frame(upright(100 + shift), upright(100), ROWS)
    assert scores == Scores(accuracy, 1 - accuracy, 1 - accuracy)


@pytest.mark.parametrize(("shift", "accuracy"), [(28, 1.0), (29, 0.0)])
def test_a_line_at_45_degrees_may_be_20_root_2_px_away(shift, accuracy):
    truth = (ROWS + 100)[None]
    assert 28 < 20 * math.sqrt(2) < 29
    assert score_frame(truth + shift, truth, ROWS).accuracy == accuracy


def test_shifted_by_25_px_only_the_slanted_line_is_right():
    """Slopes 0 and 1: limits 20 and 28.3 px."""
    truth = np.stack([np.full(20, 100.0), ROWS + 300])
    assert score_frame(truth + 25, truth, ROWS) == Scores(0.5, 0.5, 0.5)


def test_absent_rows_count_and_do_not_bend_the_angle():
    truth = upright(100)
    truth[0, :10] = -2
    whole = upright(100)
    assert score_frame(whole, truth, ROWS) == Scores(0.5, 1.0, 1.0)
    whole[0, :7] = -2  # 17 of 20 rows are right: found
    assert score_frame(whole, truth, ROWS) == Scores(0.85, 0.0, 0.0)


def test_a_line_too_many_and_a_line_missed():
    assert score_frame(upright(100, 300, 700), upright(100, 300), ROWS) == Scores(1.0, 1 / 3, 0.0)
    assert score_frame(upright(100), upright(100, 300), ROWS) == Scores(0.5, 0.0, 0.5)


def test_no_lines():
    assert score_frame(upright(), upright(100), ROWS) == Scores(0.0, 0.0, 1.0)
    assert score_frame(upright(), upright(), ROWS) == Scores(0.0, 0.0, 0.0)
    assert score_frame(upright(100), upright(), ROWS) == Scores(0.0, 1.0, 0.0)


def test_three_lines_too_many_score_nothing():
    truth = upright(100)
    assert score_frame(upright(100, 200, 300), truth, ROWS).accuracy == 1.0
    assert score_frame(upright(100, 200, 300, 400), truth, ROWS) == Scores(0.0, 0.0, 1.0)


def test_slow_frames_score_nothing():
    truth = upright(100)
    assert score_frame(truth, truth, ROWS, milliseconds=200).accuracy == 1.0
    assert score_frame(truth, truth, ROWS, milliseconds=200.1) == Scores(0.0, 0.0, 1.0)


def test_the_worst_of_five_lines_is_forgiven():
    truth = upright(100, 200, 300, 400, 500)
    assert score_frame(truth[:4], truth, ROWS) == Scores(1.0, 0.0, 0.0)
    assert score_frame(truth[:3], truth, ROWS) == Scores(0.75, 0.0, 0.25)
    assert score_frame(truth, truth, ROWS) == Scores(1.0, 0.0, 0.0)


def test_a_set_is_the_mean_of_its_frames():
    scores = mean_scores([Scores(1.0, 0.0, 0.0), Scores(0.5, 0.5, 0.5)])
    assert scores == Scores(0.75, 0.25, 0.25)
    assert scores.f1 == pytest.approx(0.75)
    assert Scores(0.0, 1.0, 1.0).f1 == 0.0
