"""The teachers' inputs and outputs, and a cache that grows; without the networks themselves."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from lanes.cli.main import run
from lanes.datasets._lane_targets import cache_file
from lanes.errors import BadDataset, BadModel, BadOutput
from lanes.training import teachers

ROOT = Path(__file__).parents[2]


def test_inputs_have_the_order_and_scale_that_each_was_trained_with():
    image = np.zeros((720, 1280, 3), np.uint8)
    image[..., 0], image[..., 2] = 255, 51  # blue, red
    paint, line = teachers.paint_input(image), teachers.line_input(image)
    assert paint.shape == (1, 3, 512, 896)
    assert paint[0, :, 100, 100].tolist() == [255, 0, 51]
    assert line.shape == (1, 3, 384, 640)
    np.testing.assert_allclose(line[0, :, 12, 5], [0.2, 0, 1])
    np.testing.assert_allclose(line[0, :, [11, 372], 5], 114 / 255)


def test_probabilities_are_a_softmax_without_the_padding():
    logits = np.zeros((1, 2, 384, 640), np.float32)
    logits[0, 1, 12] = np.log(3)
    logits[0, :, 11] = 1e3
    found = teachers.probability_of(logits)
    assert found.shape == (360, 640)
    np.testing.assert_allclose(found[0], 0.75, rtol=1e-6)
    np.testing.assert_allclose(found[1:], 0.5)


def test_the_three_maps_are_one_picture():
    maps = np.full((512, 896), 1.0), np.full((360, 640), 0.5), np.zeros((360, 640))
    found = teachers.joined(*(each.astype(np.float32) for each in maps))
    assert found.shape == (360, 640, 3)
    assert found[100, 100].tolist() == [255, 128, 0]


@pytest.fixture
def frames(tmp_path):
    found = {}
    for stem in ("a", "b"):
        found[stem] = tmp_path / f"{stem}.png"
        cv2.imwrite(str(found[stem]), np.full((9, 16, 3), 7, np.uint8))
    return found


def test_a_cache_grows_and_keeps_its_files(frames, tmp_path):
    taught = []

    def teach(image):
        taught.append(image.shape)
        return np.full((360, 640, 3), 9, np.uint8)

    cache = tmp_path / "cache"
    assert teachers.fill(cache, "some", {"a": frames["a"]}, teach) == 1
    seen = []
    assert teachers.fill(cache, "some", frames, teach, lambda *now: seen.append(now)) == 1
    assert seen == [(1, 2, ""), (2, 2, "")]
    assert len(taught) == 2
    assert sorted(p.name for p in (cache / "some").iterdir()) == ["a.png", "b.png"]
    assert (cv2.imread(str(cache_file(cache, "some", "a"))) == 9).all()


def test_read_and_write_errors_are_reported(frames, tmp_path):
    with pytest.raises(BadDataset, match="cannot be read"):
        teachers.fill(tmp_path, "some", {"c": tmp_path / "c.png"}, lambda image: image)
    with pytest.raises(BadOutput, match="cannot be written.*choose another place"):
        teachers.fill(frames["a"], "some", frames, lambda image: image)
    with pytest.raises(BadModel, match="no teacher"):
        teachers.Teachers(tmp_path)
    (tmp_path / teachers.PAINT_FILE).write_text("<net>")
    with pytest.raises(BadModel, match="OpenVINO cannot read"):
        teachers.Teachers(tmp_path)


def test_the_script_keeps_the_cache_out_of_the_project(tmp_path, capsys):
    main = partial(run, "teach")
    given = ["--networks", str(tmp_path), "--data", "bdd100k=x", "--cache"]
    assert main([*given, str(ROOT / "cache")]) == 2
    assert "is inside the project" in capsys.readouterr().err
    assert main([*given, str(tmp_path)]) == 2
    assert "no teacher" in capsys.readouterr().err
