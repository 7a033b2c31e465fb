"""The script that scores cell models on changed pictures."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lanes.metrics.instances import InstanceCounts, instance_counts

pytest.importorskip("torch")
SCRIPT = Path(__file__).parents[2] / "scripts" / "measure_cells.py"
script = SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def found(cells, doubt):
    """A picture with one true cell, counted as `cells`."""
    truth, guess = np.zeros((20, 200), np.uint16), np.zeros((20, 200), np.uint16)
    truth[5:15, 5:15] = 1
    for k in range(cells):
        guess[5:15, 20 * k + 5 : 20 * k + 15] = k + 1
    return script.Found(instance_counts(truth, guess), doubt)


def test_doubt_is_judged_by_the_pairs_it_orders():
    assert script.auroc([found(1, 0.1), found(3, 0.9)]) == 1
    assert script.auroc([found(1, 0.9), found(3, 0.1)]) == 0
    assert script.auroc([found(1, 0.5), found(3, 0.5), found(2, 0.9)]) == 0.75
    assert np.isnan(script.auroc([found(1, 0.5)]))
    assert found(2, 0.0).counts + InstanceCounts() == found(2, 0.0).counts


@pytest.mark.parametrize("name", script.VARIANTS)
def test_pictures_and_truth_change_alike(name):
    image = np.full((120, 160, 3), 220, np.uint8)
    truth = np.zeros((120, 160), np.uint16)
    truth[10:30, 10:30] = 7
    image[truth > 0] = (90, 60, 120)
    changed, ids = script.VARIANTS[name](image, truth)
    assert changed.shape[:2] == ids.shape
    assert changed.dtype == np.uint8
    assert set(np.unique(ids)) == {0, 7}
    grey = changed.astype(float).mean(-1)
    assert grey[ids == 7].mean() < grey[ids == 0].mean()
