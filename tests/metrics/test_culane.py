"""CULane's F1 on cases computed by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lanes.errors import BadInput, MissingDependency
from lanes.metrics.culane import Counts, read_list, score_folders, score_picture

pytest.importorskip("scipy")


def upright(x, top=100, bottom=500):
    return np.array([[x, y] for y in range(bottom, top - 1, -50)], float)


def test_truth_against_itself():
    lanes = [upright(300), upright(600), upright(900)]
    assert score_picture(lanes, lanes) == Counts(3, 0, 0)
    assert Counts(3, 0, 0).f1 == Counts(3, 0, 0).precision == Counts(3, 0, 0).recall == 1.0


@pytest.mark.parametrize(("shift", "hits"), [(5, 1), (9, 1), (12, 0), (25, 0)])
def test_a_shifted_lane_needs_half_of_the_union(shift, hits):
    """Of 30 px, 30 - shift overlap, out of 30 + shift: 0.54 at 9, 0.43 at 12, 0.09 at 25."""
    assert score_picture([upright(300 + shift)], [upright(300)]) == Counts(hits, 1 - hits, 1 - hits)


def test_a_short_lane_is_not_enough():
    """With round ends of 15 px, lanes of 150, 250 and 400 px cover 180, 280 and 430 rows."""
    assert score_picture([upright(300, 350)], [upright(300)]).tp == 0
    assert score_picture([upright(300, 250)], [upright(300)]).tp == 1


def test_each_lane_is_matched_once():
    truth = [upright(300), upright(330)]
    assert score_picture([upright(302), upright(303)], truth) == Counts(1, 1, 1)


def test_the_matching_maximises_the_sum():
    """The first prediction fits both; the second fits only the first line."""
    truth = [upright(300), upright(316)]
    assert score_picture([upright(308), upright(294)], truth) == Counts(2, 0, 0)


def test_the_spline_follows_a_bend_between_points():
    y = np.arange(500.0, 99, -100)
    bend = np.stack([800 + 300 * np.sin((500 - y) / 300), y], 1)
    fine = np.arange(500.0, 99, -5)
    curve = np.stack([800 + 300 * np.sin((500 - fine) / 300), fine], 1)
    assert score_picture([bend], [curve]).tp == 1


def test_empty_pictures_and_points():
    assert score_picture([], [upright(300)]) == Counts(0, 0, 1)
    assert score_picture([upright(300)], []) == Counts(0, 1, 0)
    assert score_picture([np.array([[300.0, 200.0]])], [upright(300)]) == Counts(0, 1, 1)
    assert Counts().f1 == Counts().precision == Counts().recall == 0.0


def written(folder, name, lanes):
    path = folder / f"{name}.lines.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(map(str, lane.ravel())) + "\n" for lane in lanes))


@pytest.fixture
def folders(tmp_path):
    """Two pictures: one with a hit, a miss and an extra; a crossroad with an extra."""
    predicted, truth = tmp_path / "predicted", tmp_path / "truth"
    written(truth, "drive/1", [upright(300), upright(600)])
    written(predicted, "drive/1", [upright(301), upright(900)])
    written(truth, "drive/cross", [])
    written(predicted, "drive/cross", [upright(300)])
    written(truth, "drive/unseen", [upright(300)])
    return predicted, truth


def test_counts_are_pooled_and_a_crossroad_counts_false_positives_only(folders):
    assert score_folders(*folders) == Counts(1, 2, 2)
    assert score_folders(*folders, ["/drive/cross.jpg"]) == Counts(0, 1, 0)
    assert score_folders(*folders, ["/drive/unseen.jpg"]) == Counts(0, 0, 1)


def test_lists_name_pictures(tmp_path):
    path = tmp_path / "test5_cross.txt"
    path.write_text("/drive/1.jpg 1 0 1\n\n/drive/2.jpg\n")
    assert read_list(path) == ["/drive/1.jpg", "/drive/2.jpg"]
    path.write_text("\n")
    with pytest.raises(BadInput, match="names no pictures"):
        read_list(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_list(tmp_path / "none.txt")


def test_unusable_folders_and_files(folders, tmp_path):
    predicted, truth = folders
    with pytest.raises(BadInput, match="is no folder"):
        score_folders(tmp_path / "none", truth)
    with pytest.raises(BadInput, match=r"holds no \.lines\.txt"):
        (tmp_path / "empty").mkdir()
        score_folders(predicted, tmp_path / "empty")
    with pytest.raises(BadInput, match="cannot be read"):
        score_folders(predicted, truth, ["/drive/none.jpg"])
    for wrong in ("1 2 3\n", "1 x\n", "1 nan\n"):
        (truth / "drive" / "1.lines.txt").write_text(wrong)
        with pytest.raises(BadInput, match="line 1, is no CULane lane"):
            score_folders(predicted, truth)


def test_scipy_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingDependency, match="scipy"):
        score_picture([upright(300)[:2]], [upright(300)[:2]])
