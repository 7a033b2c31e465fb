"""The same frames in every export: each is detected, and all give identical samples."""

from __future__ import annotations

import numpy as np
import pytest

import exports
from lanes import datasets, plugins
from lanes.datasets import coco, cvat, label_studio, labelme, supervisely, yolo
from lanes.errors import BadDataset


@pytest.mark.parametrize("export", exports.EXPORTS)
def test_every_export_is_detected_and_gives_the_same_samples(tmp_path, export):
    write, name = exports.EXPORTS[export]
    root = write(tmp_path / "export")
    assert datasets.detect(root) == name
    seen = 0
    for split in ("train", "choose", "val"):
        dataset = plugins.load("datasets", name).open(root, split)
        for index in range(len(dataset)):
            sample = dataset[index]
            number = int(sample.image[0, 0, 0]) - 10
            np.testing.assert_array_equal(sample.image, exports.image(number))
            np.testing.assert_array_equal(sample.targets, exports.ids(number))
            seen += 1
        np.testing.assert_array_equal(dataset.TARGETS[:4], np.eye(4, dtype=bool))
    assert seen == 24


@pytest.mark.parametrize(("write", "name"), [(exports.labelme, "labelme"), (exports.coco, "coco")])
def test_folders_train_and_valid_are_splits(tmp_path, write, name):
    root = exports.with_splits(write, tmp_path / "export")
    assert datasets.detect(root) == name
    module = plugins.load("datasets", name)
    lengths = {split: len(module.open(root, split)) for split in ("train", "choose", "val")}
    assert lengths["val"] == 4
    assert lengths["train"] + lengths["choose"] == 20


def test_yolo_with_splits_within_and_every_way_to_list_names(tmp_path):
    root = exports.with_splits(exports.yolo, tmp_path / "export")
    yamls = (
        "names: ['background', \"drivable\", lane line]\nnc: 3\n",
        "nc: 3\nnames:\n  0: background  # a\n  1: drivable\n  2: lane line\ntrain: ../train\n",
        "names: {0: background, 1: drivable, 2: lane line}\n",
        "names:\n  - background\n  - drivable\n\n  - lane line\n",
    )
    for text in yamls:
        (root / "data.yaml").write_text(text)
        dataset = yolo.open(root, "val")
        assert len(dataset) == 4
        np.testing.assert_array_equal(dataset[1].targets, exports.ids(1))
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("background\ndrivable\nlane line\n")
    np.testing.assert_array_equal(yolo.open(root, "val")[1].targets, exports.ids(1))
    (root / "classes.txt").write_text("background\ndrivable\n")
    with pytest.raises(BadDataset, match="f00.txt.*class 2 has no name; there are 2"):
        yolo.open(root, "val")
    (root / "data.yaml").write_text("nc: 3\n")
    with pytest.raises(BadDataset, match="data.yaml lists no names"):
        yolo.open(root, "val")


def test_names_of_the_users_own_need_rules_which_are_shown(tmp_path):
    root = exports.coco(tmp_path / "export")
    file = root / "annotations.json"
    file.write_text(file.read_text().replace("drivable", 'Strass\\"e').replace("lane line", "空"))
    with pytest.raises(BadDataset, match="has the classes .*the task lanes has") as error:
        coco.open(root, "train")
    rules = str(error.value).partition(":\n")[2].splitlines()
    assert rules == ["[names]", '"Strass\\"e" = "drivable"', '"空" = "drivable"']
    (root / "labels.toml").write_text(
        '[names]\n"STRASS\\"E" = "drivable"\n"空" = "lane line"\n'
        'background = ["background", "drivable"]\n',
        encoding="utf-8",
    )
    dataset = coco.open(root, "train")
    number = int(dataset[0].image[0, 0, 0]) - 10
    np.testing.assert_array_equal(
        dataset.TARGETS[dataset[0].targets].argmax(2), exports.ids(number)
    )
    assert dataset.TARGETS[dataset.table.rows[0]].tolist() == [True, True, False, False]


def test_rules_for_values_do_not_fit_named_labels(tmp_path):
    root = exports.coco(tmp_path / "export")
    (root / "labels.toml").write_text('[ids]\n1 = "drivable"\n')
    with pytest.raises(BadDataset, match=r"has \[ids\].*write \[names\]"):
        coco.open(root, "train")


def only(module, root, split="train"):
    dataset = module.open(root, split)
    return dataset[0].targets


def test_lines_boxes_circles_and_masks_of_labelme(tmp_path):
    root = exports.labelme(tmp_path / "export", 3)

    def targets(*shapes):
        values = {"shapes": shapes, "imagePath": "x.png"}
        for stem in exports.stems(3):
            exports.write_json(root / f"{stem}.json", values)
        return only(labelme, root)

    def shape(kind, points, **more):
        return {"label": "drivable", "shape_type": kind, "points": points, **more}

    rectangle = targets(shape("rectangle", [[10, 20], [4, 6]]))
    np.testing.assert_array_equal(np.argwhere(rectangle).min(0), (6, 4))
    assert rectangle.sum() == 14 * 6
    circle = targets(shape("circle", [[30, 18], [30, 8]]))
    assert circle.sum() == pytest.approx(np.pi * 100, rel=0.02)
    line = targets({**shape("linestrip", [[-50, 18], [500, 18]]), "label": "lane line"})
    assert (line[18] == 2).all()
    assert line.any(1).sum() == 1  # 10 px at width 1280: one here
    mask = shape("mask", [[60, 30], [64, 36]], mask=exports.png_text(np.eye(8)).decode())
    found = targets(mask)
    np.testing.assert_array_equal(np.argwhere(found), [[30 + k, 60 + k] for k in range(4)])
    with pytest.raises(BadDataset, match="f00.json labels 'drivable' with a point"):
        targets(shape("point", [[1, 2]]))


def test_parts_islands_and_holes_of_coco(tmp_path):
    root = exports.coco(tmp_path / "export", 3)
    file = root / "annotations.json"

    def square(low, high):
        return [low, low, high, low, high, high, low, high]

    rings = [square(2, 30), square(5, 25), square(10, 20), [40, 2, 50, 2, 50, 12, 40, 12]]
    values = {
        "images": [
            {"id": k, "file_name": f"{s}.png", "height": 36, "width": 64}
            for k, s in enumerate(exports.stems(3))
        ],
        "categories": [{"id": 7, "name": "Drivable"}],
        "annotations": [{"image_id": k, "category_id": 7, "segmentation": rings} for k in range(3)],
    }
    exports.write_json(file, values)
    assert only(coco, root).sum() == 28**2 - 20**2 + 10**2 + 100
    # pycocotools' own encoding of a 5 x 3 box with a hole.
    packed = {"counts": "=33NN02200005", "size": [6, 8]}
    for annotation in values["annotations"]:
        annotation["segmentation"] = packed
    for picture in values["images"]:
        picture |= {"height": 6, "width": 8}
    exports.write_json(file, values)
    with pytest.raises(BadDataset, match="picture of f.*png is 8x6 but its image is 64x36"):
        only(coco, root)
    region = coco._shape("a", packed, (6, 8), file)
    wanted = np.zeros((6, 8), bool)
    wanted[1:4, 2:7] = True
    wanted[2, 3] = False
    np.testing.assert_array_equal(region.mask, wanted)
    for broken, words in (
        ([], "a box"),
        ({"counts": [5], "size": [6, 8]}, "run lengths cover 5 pixels"),
    ):
        values["annotations"][0]["segmentation"] = broken
        exports.write_json(file, values)
        with pytest.raises(BadDataset, match=words):
            coco.open(root, "train")


def test_polylines_boxes_and_ellipses_of_cvat(tmp_path):
    root = exports.cvat(tmp_path / "export", 3)

    def targets(shape):
        images = "".join(
            f'<image id="{k}" name="sub/{s}.png" width="64" height="36">{shape}</image>'
            for k, s in enumerate(exports.stems(3))
        )
        (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
        return only(cvat, root)

    assert targets('<box label="drivable" xtl="2" ytl="3" xbr="5" ybr="9"/>').sum() == 18
    line = targets('<polyline label="lane line" points="0.4,5.2;63.0,5.2"/>')
    assert (line[5] == 2).all()
    ellipse = targets('<ellipse label="drivable" cx="30" cy="18" rx="20" ry="10"/>')
    assert ellipse.sum() == pytest.approx(np.pi * 200, rel=0.02)
    with pytest.raises(BadDataset, match="labels 'lane line' with a points"):
        targets('<points label="lane line" points="0,5"/>')
    with pytest.raises(BadDataset, match="annotations.xml is not XML"):
        targets("<polygon")


def test_rectangles_and_open_polygons_of_label_studio(tmp_path):
    root = exports.label_studio(tmp_path / "export", 3)

    def targets(kind, value):
        result = {"type": kind, "value": value, "original_width": 64, "original_height": 36}
        tasks = [
            {"data": {"image": f"/data/local-files/?d=x/{s}.png"}, "annotations": [{"result": [r]}]}
            for s, r in zip(exports.stems(3), [result] * 3, strict=True)
        ]
        exports.write_json(root / "project-1.json", tasks)
        return only(label_studio, root)

    box = {"x": 25, "y": 25, "width": 25, "height": 50, "rectanglelabels": ["drivable"]}
    assert targets("rectanglelabels", box).sum() == 16 * 18
    turned = targets("rectanglelabels", {**box, "x": 50, "rotation": 90})
    np.testing.assert_array_equal(np.argwhere(turned).min(0), (9, 14))
    np.testing.assert_array_equal(np.argwhere(turned).max(0), (24, 31))
    line = {"points": [[0, 50], [100, 50]], "closed": False, "polygonlabels": ["lane line"]}
    assert (targets("polygonlabels", line)[18] == 2).all()
    with pytest.raises(BadDataset, match="keypointlabels.*wanted polygonlabels"):
        targets("keypointlabels", {"x": 1, "y": 1, "keypointlabels": ["drivable"]})


DAMAGE = {
    "labelme": ("f00.json", labelme),
    "coco": ("annotations.json", coco),
    "label_studio": ("project-1.json", label_studio),
    "supervisely": ("ds1/ann/f00.png.json", supervisely),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_with_a_missing_field_is_named(tmp_path, name):
    root = exports.EXPORTS[name][0](tmp_path / "export")
    file, module = DAMAGE[name]
    text = (root / file).read_text()
    (root / file).write_text(
        text.replace('"shapes"', '"x"')
        .replace('"objects"', '"x"')
        .replace('"file_name"', '"x"')
        .replace('"result"', '"x"')
    )
    with pytest.raises(BadDataset, match=f"{file.rpartition('/')[2]} is not .* is missing"):
        module.open(root, "train")


@pytest.mark.parametrize("name", [*DAMAGE, "cvat"])
def test_a_missing_image_is_named(tmp_path, name):
    root = exports.EXPORTS[name][0](tmp_path / "export")
    next(root.rglob("f07.png")).unlink()
    with pytest.raises(BadDataset, match=r"f07.png, which is missing in"):
        plugins.load("datasets", name).open(root, "train")


def test_two_formats_in_one_folder_are_refused_until_one_is_named(tmp_path):
    root = exports.coco(tmp_path / "export")
    exports.cvat(root)
    with pytest.raises(BadDataset, match="fits several formats: .*coco=.* or cvat="):
        datasets.detect(root)
