"""Curves of lane lines in image rows."""

from __future__ import annotations

import numpy as np

from lanes.lines.curve import SOFT, terms


def test_terms_by_hand():
    # Horizon at row 100 of 300: u is 0, 0.5 and 1, and 0 above the horizon.
    found = terms(np.array([100.0, 200.0, 300.0, 40.0]), 100.0, 300.0)
    u = np.array([0, 0.5, 1, 0])
    softened = SOFT / (u + SOFT)
    np.testing.assert_allclose(found, np.stack([np.ones(4), u, softened, softened**2], 1))
