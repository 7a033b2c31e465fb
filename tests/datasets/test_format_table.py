"""scripts/format_table.py: every export is read, and has the truth's drivable ground."""

from __future__ import annotations

import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest

from lanes.datasets import detect

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "format_table.py"))
SIZE = (72, 128)
MASKS = ("ids", "palette", "colours", "Roboflow", "coco", "yolo")


@pytest.fixture
def frames(tmp_path):
    """Twelve photos with a road and an island in it, each at another place."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(12):
        ids = np.zeros(SIZE, np.uint8)
        cv2.fillConvexPoly(ids, np.array([[40 + k, 30], [70, 30], [120, 71], [4 * k, 71]]), 1)
        cv2.circle(ids, (64, 55), 6, 0, cv2.FILLED)
        path = tmp_path / f"drive{k:03}-{k}.png"
        assert cv2.imwrite(str(path), rng.integers(0, 256, (*SIZE, 3), np.uint8))
        found.append(SCRIPT["Frame"](path, ids))
    return found


@pytest.mark.parametrize("name", SCRIPT["EXPORTS"])
def test_every_export_is_read_as_the_truth(tmp_path, frames, name):
    root = tmp_path / "export"
    root.mkdir()
    SCRIPT["EXPORTS"][name](root, frames)
    if name == "masks of 0 and 255":
        (root / "labels.toml").write_text('[ids]\n0 = "background"\n255 = "drivable"\n')
    assert detect(root) in (name, "image_folder")
    found = SCRIPT["agreement"](root, frames)
    assert found == 1 if name in MASKS else 0.98 < found <= 1


def test_a_label_that_differs_lowers_the_agreement(tmp_path, frames):
    SCRIPT["write_ids"](tmp_path / "ids", frames)
    mask = tmp_path / "ids" / "labels" / f"{frames[0].image.stem}.png"
    assert cv2.imwrite(str(mask), np.ones(SIZE, np.uint8))
    assert SCRIPT["agreement"](tmp_path / "ids", frames) < 1


def test_a_refused_export_is_read_with_the_lines_that_the_message_shows(
    tmp_path, frames, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "masks"
    SCRIPT["write_binary"](root, frames)
    cells = SCRIPT["checked"](root, frames).split(" | ")
    assert [cells[0], cells[1], cells[3]] == ["`image_folder`", "3", "1.0000"]
