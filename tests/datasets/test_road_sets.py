"""bdd100k, tusimple, road_marks: the meaning of their files, and errors for wrong ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lanes import datasets, tasks
from lanes.datasets import bdd100k, camvid, cityscapes, culane, kitti_road, road_marks, tusimple
from lanes.datasets._files import skipping_missing
from lanes.doctor.data.check import check
from lanes.errors import BadDataset

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_bdd_joins_both_drivable_values(make_root, files):
    sample = bdd100k.open(make_root("bdd100k"), "val")[1]
    np.testing.assert_array_equal(sample.targets, files.below_sky(files.half(0, 1)))


def test_bdd_frames_are_drawn_by_drive(make_root):
    frames = bdd100k.open(make_root("bdd100k"), "train")
    assert frames.groups == [path.stem[:8] for path in frames.images]


def test_bdd_splits_no_drive(make_root):
    root = make_root("bdd100k")
    drives = [
        {bdd100k.drive_of(path.stem) for path in bdd100k.open(root, split).images}
        for split in ("train", "choose")
    ]
    assert all(drives)
    assert not drives[0] & drives[1]


def damage_missing(path, files):
    path.unlink()


def damage_text(path, files):
    path.write_text("no picture")


def damage_empty(path, files):
    path.write_bytes(b"")


def damage_size(path, files):
    files.image(path, np.zeros((10, 20), np.uint8))


def damage_value(path, files):
    files.image(path, files.half(7, 0))


def damage_colours(path, files):
    files.image(path, np.full((36, 64, 3), (1, 2, 0), np.uint8))


def damage_depth(path, files):
    files.image(path, np.full((36, 64), 300, np.uint16))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_missing, "b1c66a00-d00.png cannot be read: No such file"),
        (damage_text, "b1c66a00-d00.png.*damaged"),
        (damage_empty, "b1c66a00-d00.png is empty"),
        (damage_size, "is 20x10 but its image is 64x36"),
        (damage_value, r"the label 7 \(1152 pixels"),
        (damage_colours, "holds colours"),
        (damage_depth, "holds the value 300"),
    ],
)
def test_a_wrong_label_file_is_reported(make_root, files, damage, words):
    root = make_root("bdd100k")
    damage(root / "val" / "drivable" / "b1c66a00-d00.png", files)
    with pytest.raises(BadDataset, match=words):
        bdd100k.open(root, "val")[0]


def test_a_wrong_image_file_is_reported(make_root):
    root = make_root("bdd100k")
    (root / "val" / "images" / "b1c66a00-d00.webp").write_text("no picture")
    with pytest.raises(BadDataset, match="b1c66a00-d00.webp is damaged, or not an image"):
        bdd100k.open(root, "val")[0]


def test_two_images_of_one_name_are_reported(make_root, files):
    root = make_root("bdd100k")
    files.image(root / "val" / "images" / "b1c66a00-d00.png", 3)
    with pytest.raises(BadDataset, match="d00.png and b1c66a00-d00.webp"):
        bdd100k.open(root, "val")


def test_an_empty_split_is_reported(make_root):
    root = make_root("bdd100k")
    for file in (root / "val" / "images").iterdir():
        file.unlink()
    with pytest.raises(BadDataset, match="'val' of .* holds no image"):
        bdd100k.open(root, "val")


def test_tusimple_lines_are_ten_pixels_wide_and_bridge_absent_rows():
    lanes = (np.array([[100, 200], [100, 700]], np.int32),)
    targets = tusimple.drawn(lanes, (720, 1280))
    assert set(np.unique(targets)) == {0, 1}
    assert targets[450].sum() in (10, 11)
    assert targets[450, 100] == 1
    assert targets[:180].sum() == 0
    # Half the size gives half the width, as closely as OpenCV draws it.
    assert tusimple.drawn((lanes[0] // 2,), (360, 640))[225].sum() < 8


def test_tusimple_leaves_absent_points_out(make_root):
    sample = tusimple.open(make_root("tusimple"), "val")[0]
    assert sample.targets[5, :30].sum() == 0
    assert sample.targets[25, 12] == 1
    # The second lane has no point in row 25: it runs straight from 48 to 44.
    assert sample.targets[25, 46] == 1


def test_tusimple_reads_the_official_layout(tmp_path, files):
    for folder, clip, labels in (
        ("train_set", "0601-1/1", "label_data_0601.json"),
        ("train_set", "0601-1/2", "label_data_0531.json"),
        ("test_set", "0530-1/3", "../test_label.json"),
    ):
        files.image(tmp_path / folder / "clips" / clip / "20.jpg", 9)
        (tmp_path / folder / labels).write_text(files.tusimple_line(clip))
    assert len(tusimple.open(tmp_path, "train")) == 2
    assert tusimple.open(tmp_path, "val").frames[0].image.is_file()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1, is no TuSimple label"),
        ('{"raw_file": "clips/a/20.jpg"}', "h_samples|lanes"),
        (
            '{"raw_file": "a", "lanes": [[1, 2]], "h_samples": [1]}',
            "each lane as long as h_samples",
        ),
    ],
)
def test_a_wrong_tusimple_label_is_reported(tmp_path, line, words):
    (tmp_path / "label_data_1.json").write_text(line)
    with pytest.raises(BadDataset, match=words):
        tusimple.open(tmp_path, "train")


def test_tusimple_reports_missing_files(make_root, tmp_path):
    root = make_root("tusimple")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadDataset, match="holds no labels of this split"):
        tusimple.open(tmp_path / "empty", "val")
    listed = (root / "val.txt").read_text().splitlines()
    (root / listed[0]).unlink()
    with pytest.raises(BadDataset, match=r"20\.jpg is missing"):
        tusimple.open(root, "val")
    (root / "val.txt").write_text("clips/x/20.jpg\n")
    with pytest.raises(BadDataset, match="names clips/x/20.jpg, which no"):
        tusimple.open(root, "val")


def test_road_marks_teach_with_an_unknown_ring_and_judge_without():
    paint = np.zeros((72, 128), bool)
    paint[30:40, 60:64] = True
    judged = road_marks.targets_of(paint, teaches=False)
    np.testing.assert_array_equal(judged, paint)
    taught = road_marks.targets_of(paint, teaches=True)
    # 40 px at 1280 wide are 4 px at 128.
    assert list(taught[35, 54:61]) == [0, 0, 2, 2, 2, 2, 1]
    assert list(taught[40:46, 62]) == [2, 2, 2, 2, 0, 0]


def test_road_marks_without_paint_are_not_lane_at_all():
    assert not road_marks.targets_of(np.zeros((8, 16), bool), teaches=True).any()


def test_road_marks_splits_differ_in_their_unknown_pixels(make_root):
    root = make_root("road_marks")
    assert road_marks.UNKNOWN in road_marks.open(root, "train")[0].targets
    assert road_marks.UNKNOWN not in road_marks.open(root, "choose")[0].targets
    assert road_marks.UNKNOWN not in road_marks.open(root, "val")[0].targets


def test_road_marks_report_grey_paint(make_root):
    root = make_root("road_marks")
    path = root / "val" / "labels" / "000.png"
    marks = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    marks[0, :3] = 128
    cv2.imwrite(str(path), marks)
    with pytest.raises(BadDataset, match=r"000.png holds the value 128 \(3 pixels"):
        road_marks.open(root, "val")[0]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the project's shared data")
@pytest.mark.parametrize(
    ("module", "folder", "train", "val"),
    [
        (bdd100k, "bdd100k", 7948, 200),
        (tusimple, "tusimple_170", 129, 41),
        (road_marks, "road_marks", 118, 16),
    ],
)
def test_the_real_sets_have_the_sizes_that_they_state(module, folder, train, val):
    parts = [module.open(SHARED / folder, split) for split in ("train", "choose", "val")]
    assert len(parts[0]) + len(parts[1]) == train
    assert 0.04 * train < len(parts[1]) < 0.16 * train
    assert len(parts[2]) == val
    assert parts[2][0].targets.any()


def test_camvid_reads_the_official_splits(make_root, files):
    root = make_root("camvid")
    sizes = {split: len(camvid.open(root, split)) for split in camvid.FOLDERS}
    assert sizes == {"train": 3, "choose": 3, "val": 3, "test": 3, "trainval": 6}
    test = camvid.open(root, "test")
    assert {image.parent.parent.name for image, _ in test.pairs} == {"test"}
    np.testing.assert_array_equal(test[0].targets, files.half(3, 11))


def test_camvids_classes_are_those_of_its_task():
    assert tasks.load(camvid.TASK).class_names == camvid.NAMES
    # 11 is void: it may be any class, so it is neither learned nor scored.
    assert camvid.TARGETS[11].all()
    assert not any(11 in measure.targets for measure in camvid.MEASURES.values())


def test_a_wrong_camvid_is_reported(make_root, files, tmp_path):
    root = make_root("camvid")
    damaged = root / "train" / "labels" / "train1.png"
    files.image(damaged, files.half(12, 0))
    with pytest.raises(BadDataset, match=r"train1\.png holds the label 12"):
        camvid.open(root, "train")[1]
    (tmp_path / "empty" / "test" / "images").mkdir(parents=True)
    with pytest.raises(BadDataset, match="holds no image"):
        camvid.open(tmp_path / "empty", "test")


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not here")
def test_camvid_as_it_is():
    test = camvid.open(SHARED / "camvid", "test")
    assert len(test) == 233
    assert len(camvid.open(SHARED / "camvid", "trainval")) == 468
    assert test[0].image.shape == (360, 480, 3)


def test_culane_clips_lines_at_the_frame(make_root):
    root = make_root("culane")
    assert datasets.detect(root) == "culane"
    targets = culane.open(root, "val")[0].targets
    assert targets[:, 10].all()
    assert targets[10, 40] == 1
    assert targets[:, 63].any()
    assert targets.sum() < 36 + 40 + 20


def test_culane_reports_missing_and_damaged_files(make_root):
    root = make_root("culane")
    lines = root / "driver_val" / "01.MP4" / "00000.lines.txt"
    lines.write_text("1 2 3\n")
    with pytest.raises(BadDataset, match="00000.lines.txt is not a CULane file"):
        culane.open(root, "val")[1]
    lines.unlink()
    with pytest.raises(BadDataset, match="00000.lines.txt is missing, but .*val.txt names it"):
        culane.open(root, "val")
    (root / "list" / "val.txt").unlink()
    with pytest.raises(BadDataset, match="no file .*list/val.txt"):
        culane.open(root, "val")


@pytest.mark.parametrize(("name", "module"), [("tusimple", tusimple), ("culane", culane)])
def test_frames_whose_files_are_missing_are_counted_and_may_be_left_out(make_root, name, module):
    root = make_root(name)
    images = [frame.image for frame in module.open(root, "val").frames]
    images[0].unlink()
    with pytest.raises(BadDataset, match=r"1 of 3 frames lack a file.*--skip-missing"):
        module.open(root, "val")
    with skipping_missing(True):
        left = module.open(root, "val")
        assert (len(left), left.missing) == (2, 1)
        notes = [f.text for f in check(root, name).findings if f.level == "note"]
        assert "val: 1 of 3 frames lack a file and are left out" in notes
        for image in images[1:]:
            image.unlink()
        with pytest.raises(BadDataset, match="3 of 3 frames lack a file"):
            module.open(root, "val")
    with pytest.raises(BadDataset, match="lack a file"):
        module.open(root, "val")


@pytest.mark.parametrize(
    ("ending", "road", "void"), [("labelTrainIds", 0, 255), ("labelIds", 7, 0)]
)
def test_cityscapes_becomes_road_scene(make_root, files, ending, road, void):
    root = make_root("cityscapes", ending=ending, road=road, void=void)
    assert datasets.detect(root) == "cityscapes"
    targets = cityscapes.open(root, "train")[0].targets
    names = tasks.load("road_scene").class_names
    np.testing.assert_array_equal(targets, files.half(names.index("road"), len(names)))


def test_cityscapes_reports_missing_labels(make_root):
    root = make_root("cityscapes")
    next((root / "gtFine" / "val").rglob("*.png")).unlink()
    with pytest.raises(BadDataset, match="_gtFine_labelTrainIds.png is missing, the labels of"):
        cityscapes.open(root, "val")


def test_kitti_marks_road_ground_and_unknown_pixels(make_root, files):
    root = make_root("kitti_road")
    assert datasets.detect(root) == "kitti_road"
    wanted = files.half(0, 1)
    wanted[:, -10:] = 2
    np.testing.assert_array_equal(kitti_road.open(root, "train")[0].targets, wanted)
    splits = [kitti_road.open(root, split).pairs for split in ("train", "choose", "val")]
    assert sorted(pair for split in splits for pair in split) == sorted(set().union(*splits))
    assert sum(map(len, splits)) == 40


def test_kitti_takes_the_own_lane_and_reports_what_is_missing(make_root):
    root = make_root("kitti_road")
    first = kitti_road.open(root, "val").pairs[0][1]
    lane = first.rename(first.with_name(first.name.replace("road", "lane")))
    assert kitti_road.open(root, "val").pairs[0][1] == lane
    lane.unlink()
    with pytest.raises(BadDataset, match=f"{first.name} is missing"):
        kitti_road.open(root, "val")


def test_tusimple_is_detected(make_root):
    assert datasets.detect(make_root("tusimple")) == "tusimple"
