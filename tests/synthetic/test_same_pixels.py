"""A seed gives the same picture and labels, today and after a change of the renderer.

Results of old runs, and the truth of old clips, depend on it. After an intended change, draw the
sheets again with `python tests/synthetic/test_same_pixels.py`, and look at them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lanes.synthetic import road, smear

HERE = Path(__file__).parent
SCENES, SLIDES = range(8, 56), range(12)
SIZE, SMALL = (216, 384), (48, 27)
COLUMNS = 8


def small(image):
    return cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA)


def sheet(tiles):
    rows = [
        np.hstack(tiles[k : k + COLUMNS])
        for k in range(0, len(tiles) // COLUMNS * COLUMNS, COLUMNS)
    ]
    return np.vstack(rows)


def roads():
    """The scenes and, below them, their labels."""
    drawn = [road.render(road.scene(seed), SIZE, 0.37 * seed) for seed in SCENES]
    pictures = [small(image) for image, _ in drawn]
    labels = [small(cv2.cvtColor(labels * 80, cv2.COLOR_GRAY2BGR)) for _, labels in drawn]
    return sheet(pictures + labels)


def smears():
    """Smears of the training data's laboratory and of others, and their labels."""
    made = [make(seed) for seed in SLIDES for make in (smear.smear, smear.foreign)]
    slides = [smear.render(one, SIZE) for one in made]
    labels = [small(cv2.cvtColor(slide.labels * 80, cv2.COLOR_GRAY2BGR)) for slide in slides]
    return sheet([small(slide.image) for slide in slides] + labels)


@pytest.mark.parametrize("draw", [roads, smears])
def test_a_seed_gives_the_same_pixels(draw):
    kept = cv2.imread(str(HERE / f"{draw.__name__}.png")).astype(int)
    apart = np.abs(draw() - kept)
    # Other processors round otherwise.
    assert apart.mean() < 0.02
    assert np.mean(apart > 4) < 1e-4


if __name__ == "__main__":
    for draw in (roads, smears):
        cv2.imwrite(str(HERE / f"{draw.__name__}.png"), draw())
