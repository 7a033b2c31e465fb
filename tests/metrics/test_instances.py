"""Figures of instances on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lanes.errors import BadInput
from lanes.metrics.instances import InstanceCounts, instance_counts


def row(*ids):
    return np.array([ids], np.uint16)


def test_a_perfect_map_is_perfect_whatever_its_numbers():
    counts = instance_counts(row(0, 3, 3, 0, 900, 900), row(0, 7, 7, 0, 1, 1))
    assert counts.figures() == {"ap50": 1, "ap75": 1, "ap90": 1, "f1": 1, "pq": 1, "mape": 0}


def test_each_threshold_has_its_own_hits():
    # IoU 4/5, 6/10 and 0; one found instance is far from all.
    truth = row(*[1] * 5, *[2] * 8, 0, 0, *[3] * 4, 0, 0)
    found = row(0, *[1] * 4, 0, 0, *[2] * 8, *[0] * 4, 4, 4)
    counts = instance_counts(truth, found)
    assert (counts.true, counts.found) == (3, 3)
    assert (counts.hits_50, counts.hits_75, counts.hits_90) == (2, 1, 0)
    figures = counts.figures()
    assert figures["ap50"] == 2 / 4  # TP 2, FP 1, FN 1
    assert figures["ap75"] == 1 / 5
    assert figures["ap90"] == 0
    assert figures["f1"] == 2 * 2 / 6
    assert figures["pq"] == pytest.approx((4 / 5 + 6 / 10) / (2 + 1 / 2 + 1 / 2))
    assert figures["mape"] == 0


def test_a_merge_and_a_split_are_faults():
    merged = instance_counts(row(1, 1, 1, 2, 2, 2), row(5, 5, 5, 5, 5, 5))
    assert merged.hits_50 == 1  # two exact halves: one of them is the match
    assert merged.figures()["ap50"] == 1 / 2
    assert merged.overlap == 0.5
    assert merged.figures()["mape"] == 1 / 2
    split = instance_counts(row(5, 5, 5, 5, 5, 5), row(1, 1, 2, 2, 3, 3))
    assert split.figures()["ap50"] == 0
    assert split.figures()["mape"] == 2
    halves = instance_counts(row(5, 5, 5, 5), row(1, 1, 2, 2))
    assert (halves.hits_50, halves.overlap) == (1, 0.5)


def test_pictures_are_pooled_but_for_their_count_errors():
    one = instance_counts(row(1, 0, 2, 0, 3, 0, 4, 0), row(1, 0, 2, 0, 3, 0, 0, 0))
    two = instance_counts(row(1, 0), row(1, 2))
    figures = (one + two).figures()
    assert figures["ap50"] == 4 / 6
    assert figures["mape"] == (1 / 4 + 1) / 2


def test_where_nothing_is_there_is_nothing_to_judge():
    nothing = row(0, 0, 0)
    assert all(np.isnan(v) for v in instance_counts(nothing, nothing).figures().values())
    invented = instance_counts(nothing, row(0, 1, 1)).figures()
    assert invented["ap50"] == invented["f1"] == invented["pq"] == 0
    assert np.isnan(invented["mape"])
    missed = instance_counts(row(0, 1, 1), nothing).figures()
    assert missed["ap50"] == 0
    assert missed["mape"] == 1


def test_maps_of_different_shapes_are_reported():
    with pytest.raises(BadInput, match="resize one"):
        instance_counts(row(0, 1), row(0, 1, 1))


def test_counts_agree_with_a_slow_count_of_random_maps():
    random = np.random.default_rng(0)
    truth = np.kron(random.integers(0, 9, (12, 12)), np.ones((4, 4))).astype(np.uint16)
    found = np.roll(truth, 1, axis=1)
    counts = instance_counts(truth, found)
    hits = {t: 0 for t in (0.5, 0.75, 0.9)}
    for a in range(1, 9):
        for b in range(1, 9):
            union = ((truth == a) | (found == b)).sum()
            for t in hits:
                hits[t] += ((truth == a) & (found == b)).sum() / union >= t
    assert (counts.hits_50, counts.hits_75, counts.hits_90) == tuple(hits.values())
    assert sum(hits.values()) > 0
    assert counts.true == counts.found == 8
    assert isinstance(counts + counts, InstanceCounts)
