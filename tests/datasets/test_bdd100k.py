"""BDD100K as it is downloaded: both codings of drivable maps, lane masks, polygons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lanes import datasets
from lanes.datasets import _bdd100k_labels, bdd100k
from lanes.errors import BadDataset

SHARED = Path(__file__).parents[3] / "shared" / "data"
OLD, NEW = (0, 1, 2), (2, 0, 1)
"""The ids of background, direct and alternative."""
SAMPLES = SHARED / "format_samples" / "bdd100k" / "eval" / "testcases" / "lane" / "gts"


def kinds(files):
    """0 background, 1 direct, 2 alternative: the sky is background."""
    return files.below_sky(files.half(1, 2))


def official(root, files, coding=NEW, masks="labels/drivable/masks/{split}/{stem}.png"):
    for split, count in (("train", 24), ("val", 3)):
        for i in range(count):
            stem = f"b1c66a{i:02}-d{i:02}"
            files.image(root / "images" / "100k" / split / f"{stem}.jpg", i)
            drivable = np.array(coding, np.uint8)[kinds(files)]
            files.image(root / masks.format(split=split, stem=stem), drivable)
    return root


@pytest.mark.parametrize("inner", ["", "bdd100k"])
@pytest.mark.parametrize("coding", [OLD, NEW])
@pytest.mark.parametrize(
    "masks",
    [
        "labels/drivable/masks/{split}/{stem}.png",
        "drivable_maps/labels/{split}/{stem}_drivable_id.png",
    ],
)
def test_both_codings_in_both_official_layouts(tmp_path, files, coding, masks, inner):
    official(tmp_path / inner, files, coding, masks)
    assert datasets.detect(tmp_path) == "bdd100k"
    for split in ("train", "choose", "val"):
        dataset = bdd100k.open(tmp_path, split)
        np.testing.assert_array_equal(dataset[0].targets, kinds(files) > 0)
    assert list(dataset.MEASURES) == ["drivable"]


def test_maps_that_do_not_tell_their_coding_are_refused_with_the_lines_to_write(tmp_path, files):
    root = official(tmp_path, files)
    for i in (0, 1):
        path = root / "labels" / "drivable" / "masks" / "val" / f"b1c66a{i:02}-d{i:02}.png"
        files.image(path, files.half(0, 1))
    with pytest.raises(BadDataset, match="do not say which id is background: .* 2 of 1") as error:
        bdd100k.open(root, "val")
    both = str(error.value).partition("2018:\n")[2]
    new = both.partition("the current one:\n")[2]
    (root / "labels.toml").write_text(new)
    assert bdd100k.open(root, "val")[0].targets.all()
    np.testing.assert_array_equal(bdd100k.open(root, "val")[2].targets, kinds(files) > 0)


def lane_mask(files):
    """Background, and a column of each: single white, its crossing twin, curb, crosswalk."""
    mask = np.full((36, 64), 255, np.uint8)
    for k, value in enumerate((6, 6 | 32, 4, 0, 3 | 16)):
        mask[18:, 10 * k + 5] = value
    return mask


def test_bits_of_lane_masks(tmp_path, files):
    root = official(tmp_path, files)
    for split, count in (("train", 24), ("val", 3)):
        for i in range(count):
            stem = f"b1c66a{i:02}-d{i:02}"
            path = root / "labels" / "lane" / "masks" / split / f"{stem}.png"
            files.image(path, lane_mask(files))
    dataset = bdd100k.open(root, "val")
    allowed = dataset.TARGETS[dataset[0].targets]
    line = (allowed == [False, False, True, True]).all(2)
    assert sorted(set(np.argwhere(line)[:, 1])) == [5, 45]
    assert allowed[30, 25].tolist() == [False, True, True, True]  # a curb: paint at most
    assert allowed[30, 60].tolist() == [False, True, False, False]
    assert allowed[2, 60].tolist() == [True, False, False, False]
    assert set(dataset.MEASURES) == {"drivable", "line"}
    drivable = np.isin(dataset[0].targets, dataset.MEASURES["drivable"].targets)
    np.testing.assert_array_equal(drivable, kinds(files) > 0)
    lines = np.isin(dataset[0].targets, dataset.MEASURES["line"].targets)
    np.testing.assert_array_equal(lines, line)


def test_lanes_alone_leave_the_ground_open(tmp_path, files):
    root = official(tmp_path, files, masks="labels/lane/masks/{split}/{stem}.png")
    for path in (root / "labels" / "lane").rglob("*.png"):
        files.image(path, lane_mask(files))
    dataset = bdd100k.open(root, "train")
    allowed = dataset.TARGETS[dataset[0].targets]
    assert allowed[30, 60].tolist() == [True, True, False, False]
    assert list(dataset.MEASURES) == ["line"]


def polygon(vertices, types, closed, category, **attributes):
    poly2d = [{"vertices": vertices, "types": types, "closed": closed}]
    return {"category": category, "attributes": attributes, "poly2d": poly2d}


def test_polygons_with_curves(tmp_path, files):
    for split, count in (("train", 12), ("val", 1)):
        frames = []
        for i in range(count):
            stem = f"b1c66a{i:02}-d{i:02}"
            files.image(tmp_path / "images" / "100k" / split / f"{stem}.jpg", i)
            arc = [[10, 34], [10, 2], [50, 2], [50, 34]]
            labels = [polygon(arc, "LCCL", True, "direct")]
            frames.append({"name": f"{stem}.jpg", "labels": labels})
        for kind, values in (("drivable", frames), ("lane", lanes_of(frames))):
            path = tmp_path / "labels" / kind / "polygons" / f"{kind}_{split}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
    assert datasets.detect(tmp_path) == "bdd100k"
    dataset = bdd100k.open(tmp_path, "val")
    targets = dataset[0].targets
    drivable = np.isin(targets, dataset.MEASURES["drivable"].targets)
    assert drivable[20, 30]
    # The curve reaches three quarters of the way to its control points: y = 34 - 0.75 * 32 = 10.
    assert np.argwhere(drivable)[:, 0].min() == 10
    line = np.isin(targets, dataset.MEASURES["line"].targets)
    assert sorted(set(np.argwhere(line)[:, 1])) == [20]
    assert dataset.TARGETS[targets[20, 40]].tolist() == [False, True, True, True]  # the curb


def lanes_of(frames):
    def lane(x, kind, direction):
        return polygon(
            [[x, 15], [x, 34]], "LL", False, "lane", laneTypes=kind, laneDirection=direction
        )

    labels = [lane(20, "single white", "parallel"), lane(40, "road curb", "parallel")]
    labels.append(lane(30, "single white", "vertical"))
    return [{"name": frame["name"], "labels": labels} for frame in frames]


def test_a_damaged_polygon_file_is_named(tmp_path, files):
    files.image(tmp_path / "images" / "100k" / "val" / "a.jpg", 1)
    path = tmp_path / "labels" / "drivable" / "polygons" / "drivable_val.json"
    path.parent.mkdir(parents=True)
    path.write_text('[{"labels": []}]')
    with pytest.raises(BadDataset, match="drivable_val.json is not .*'name' is missing"):
        bdd100k.open(tmp_path, "val")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the shared format samples")
def test_true_lane_masks():
    marks = [_bdd100k_labels.read_lanes(path, (720, 1280)) for path in SAMPLES.glob("*.png")]
    assert 500 < sum(int(one.line.sum()) for one in marks) < 40000
    for one in marks:
        assert 500 < (one.line | one.other).sum() < 20000
        assert not (one.line & one.other).any()
