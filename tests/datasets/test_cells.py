"""White blood cells and smears: from files to labels, cells and splits."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from lanes import plugins, tasks
from lanes.cells import instances
from lanes.datasets import _cells, bbbc041seg, image_folder, wbc_zheng, wbc_zheng_cells
from lanes.errors import BadDataset


def stems(dataset):
    return [image.stem for image, _ in dataset.pairs]


def test_values_become_ids_and_stray_ones_the_nearest(make_root, files):
    root = make_root("wbc_zheng")
    labels = files.half(0, 128)
    labels[0, :6] = 3, 63, 65, 191, 192, 250
    files.image(root / "labels" / "020.png", labels)
    dataset = wbc_zheng.open(root, "test")
    sample = dataset[stems(dataset).index("020")]
    assert sample.targets[0, :6].tolist() == [0, 0, 1, 1, 2, 2]
    assert set(np.unique(sample.targets[1:])) == {0, 1}


def test_a_mask_of_other_values_is_reported(make_root, files):
    root = make_root("wbc_zheng")
    files.image(root / "labels" / "020.png", files.half(0, 60))
    with pytest.raises(BadDataset, match=r"020.png holds the value 60 \(1152 pixels"):
        list(wbc_zheng.open(root, "test"))


def test_the_lists_are_the_splits_and_a_tenth_chooses(make_root):
    root = make_root("wbc_zheng", crops=80)
    train, choose, val = (stems(wbc_zheng.open(root, s)) for s in ("train", "choose", "val"))
    assert val == stems(wbc_zheng.open(root, "test")) == [f"{i:03}" for i in range(60, 80)]
    assert sorted(train + choose) == [f"{i:03}" for i in range(60)]
    assert len(choose) == 6
    hashes = {stem: zlib.crc32(stem.encode()) for stem in train + choose}
    assert max(hashes[s] for s in choose) < min(hashes[s] for s in train)


def test_the_twin_picture_is_dropped(make_root):
    root = make_root("wbc_zheng", crops=160)
    found = [s for split in ("train", "choose") for s in stems(wbc_zheng.open(root, split))]
    assert len(found) == 119
    assert "112" not in found


def test_several_sets_are_read_as_one(make_root, tmp_path):
    make_root("wbc_zheng").rename(tmp_path / "wbc_ds1")
    make_root("wbc_zheng", crops=12).rename(tmp_path / "wbc_ds2")
    make_root("bbbc041seg")
    assert len(wbc_zheng.open(tmp_path, "val")) == 6 + 3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "split_universeg_test.txt").unlink(), "cannot be read"),
        (lambda root: (root / "split_universeg_test.txt").write_text(""), "holds no image"),
        (lambda root: (root / "images" / "020.png").unlink(), "lacks 020.png"),
        (lambda root: (root / "images").rename(root / "pictures"), "no folder"),
        (lambda root: (root / "labels").rename(root / "masks"), "no folder"),
    ],
)
def test_a_gap_in_the_white_cells_is_reported(make_root, damage, words):
    root = make_root("wbc_zheng")
    damage(root)
    with pytest.raises(BadDataset, match=words):
        wbc_zheng.open(root, "val")


def test_border_lies_between_two_cells_and_nowhere_else():
    cells = np.zeros((20, 40), np.uint16)
    cells[5:15, 5:15], cells[5:15, 16:27], cells[5:15, 32:38] = 7, 65535, 1
    found = _cells.targets_of(cells, reach=2)
    row = found[10].tolist()
    assert row[5:27] == [1] * 9 + [2, 3, 2] + [1] * 10
    assert (found[:, 27:32] == 0).all()
    assert (found[:, 32:38] == cells[:, 32:38]).all()
    assert ((found == 1) | (found == 2))[cells > 0].all()


def test_cells_that_touch_are_parted_and_found_again():
    cells = np.zeros((40, 60), np.uint16)
    cells[5:35, 5:30], cells[5:35, 30:55] = 1, 2
    targets = _cells.targets_of(cells)
    labels = bbbc041seg.TARGETS.argmax(1).astype(np.uint8)[targets]
    assert (labels == 2).any()
    found = instances.segment(labels, tasks.load("cell_count"))
    assert found.max() == 2
    assert np.array_equal(found[cells > 0], cells[cells > 0])


def test_samples_have_their_instances_and_the_column_is_the_split(make_root):
    root = make_root("bbbc041seg")
    sample = bbbc041seg.open(root, "train")[0]
    assert sample.instances.dtype == np.uint16
    assert set(np.unique(sample.instances)) == {0, 1, 3, 300}
    found = {s: stems(bbbc041seg.open(root, s)) for s in ("train", "choose", "val", "test")}
    assert found == {
        "train": ["s0", "s1", "s4", "s5"],
        "choose": ["s2"],
        "val": ["s2"],
        "test": ["s3"],
    }


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: (root / "index.csv").unlink(), "cannot be read"),
        (lambda root: (root / "index.csv").write_text("a,b\n1,2\n"), "lacks rows with the columns"),
        (lambda root: (root / "index.csv").write_text(""), "lacks rows with the columns"),
        (
            lambda root: (root / "index.csv").write_text("stem,split_hanyinglee\ns0,train\n"),
            "no row has 'test'",
        ),
        (lambda root: (root / "images" / "s3.jpg").unlink(), "lacks s3.png"),
        (lambda root: (root / "instances").rename(root / "masks"), "no folder"),
    ],
)
def test_a_gap_in_the_smears_is_reported(make_root, damage, words):
    root = make_root("bbbc041seg")
    damage(root)
    with pytest.raises(BadDataset, match=words):
        bbbc041seg.open(root, "test")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((36, 64, 3), (1, 2, 3), np.uint8), "3 channels"),
        (np.zeros((30, 64), np.uint16), "is 64x30 but its image is 64x36"),
        (None, "cannot be read: No such file"),
    ],
)
def test_an_instance_map_that_cannot_be_read_is_reported(make_root, files, values, words):
    root = make_root("bbbc041seg")
    path = root / "instances" / "s3.png"
    path.unlink()
    if values is not None:
        files.image(path, values)
    with pytest.raises(BadDataset, match=words):
        list(bbbc041seg.open(root, "test"))


@pytest.mark.parametrize("task", ["blood_cells", "cell_count"])
def test_a_user_folder_serves_the_tasks_of_cells(tmp_path, files, task):
    for i in range(4):
        files.image(tmp_path / "images" / f"p{i}.png", i)
        files.image(tmp_path / "labels" / f"p{i}.png", files.half(1, 2))
    (tmp_path / "labels.toml").write_text(f'task = "{task}"\n')
    dataset = image_folder.open(tmp_path, "val")
    assert task == dataset.TASK
    assert list(dataset.MEASURES) == list(tasks.load(task).class_names[1:])
    assert set(np.unique(dataset[0].targets)) == {1, 2}


def test_both_say_that_their_task_counts():
    for name in ("wbc_zheng", "bbbc041seg"):
        assert tasks.load(plugins.load("datasets", name).TASK).things is not None


def test_crops_of_white_cells_come_to_the_scale_of_smears(make_root, files):
    root = make_root("wbc_zheng_cells")
    labels = files.half(0, 128)
    labels[:, -10:] = 255
    files.image(root / "labels" / "020.png", labels)
    dataset = wbc_zheng_cells.open(root, "test")
    sample = dataset[stems(dataset).index("020")]
    assert sample.targets.shape == sample.image.shape[:2]
    assert sample.targets.shape == tuple(round(1.15 * side) for side in labels.shape)
    assert set(np.unique(sample.targets)) == {_cells.OTHER, _cells.CELL, _cells.NUCLEUS}
    assert _cells.TARGETS[_cells.OTHER].tolist() == [True, True, True, False]
