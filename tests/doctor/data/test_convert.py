"""Conversion changes no pixel; look-alikes stay in one split; first labels can be corrected."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import exports
from lanes import datasets, plugins, tasks
from lanes.cli.main import app
from lanes.datasets import coco, cvat, image_folder, labelme, yolo
from lanes.datasets._shapes import Area
from lanes.doctor.data import divide
from lanes.doctor.data.facts import ImageFacts
from lanes.doctor.data.first_labels import polygons_of
from lanes.doctor.data.outlines import keyhole, parts_of
from lanes.errors import BadConfig, BadDataset


def run(*argv):
    with pytest.raises(SystemExit) as end:
        app(["data", *map(str, argv)])
    return end.value.code or 0


@pytest.mark.parametrize("seed", range(30))
def test_outlines_give_their_mask_again_holes_and_all(seed):
    rng = np.random.default_rng(seed)
    mask = cv2.blur(rng.random((60, 80)), (5, 5)) > rng.uniform(0.4, 0.6)
    found = np.zeros(mask.shape, np.uint8)
    for part in parts_of(mask):
        Area("a", (keyhole(part),)).draw(found, 1)
    np.testing.assert_array_equal(found > 0, mask)
    assert not list(parts_of(np.zeros((4, 4), bool)))


def samples(module, root):
    found = {}
    for split in ("train", "choose", "val"):
        dataset = module.open(root, split)
        for index in range(len(dataset)):
            sample = dataset[index]
            found[int(sample.image[0, 0, 0]) - 10] = dataset.TARGETS[sample.targets]
    return found


@pytest.mark.parametrize(("to", "module"), [("ids", image_folder), ("coco", coco), ("yolo", yolo)])
def test_every_format_reads_the_same_after_conversion(tmp_path, capsys, to, module):
    root = exports.supervisely(tmp_path / "in")
    out = tmp_path / "out"
    assert run("convert", root, "--to", to, "-o", out) == 0
    assert f"{out}: 24 images" in capsys.readouterr().out
    assert plugins.load("datasets", datasets.detect(out)) is module
    found = samples(module, out)
    assert sorted(found) == list(range(24))
    for number, allowed in found.items():
        np.testing.assert_array_equal(allowed.argmax(2), exports.ids(number))
        assert allowed.sum(2).max() == 1
    assert run("convert", root, "--to", to, "-o", out) == 2
    assert "not empty" in capsys.readouterr().err


def test_unknown_pixels_and_open_sets_survive_where_they_can(tmp_path, capsys):
    root = exports.image_folder(tmp_path / "in")
    cv2.imwrite(str(root / "labels" / "f00.png"), np.full(exports.SIZE, 255, np.uint8))
    for to, module in (("coco", coco), ("yolo", yolo), ("ids", image_folder)):
        assert run("convert", root, "--to", to, "-o", tmp_path / to) == 0
        assert samples(module, tmp_path / to)[0].all()
    (root / "labels.toml").write_text(
        '[ids]\n0 = ["background", "drivable"]\n1 = "drivable"\n2 = "lane line"\n255 = "unknown"\n'
    )
    assert run("convert", root, "--to", "coco", "-o", tmp_path / "no") == 2
    assert "may be background or drivable, which coco cannot say" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    assert run("convert", root, "--to", "ids", "-o", tmp_path / "sets") == 0
    train = image_folder.open(tmp_path / "sets", "train")
    assert train.TARGETS[train[1].targets][0, 0].tolist() == [True, True, False, False]
    judged = image_folder.open(tmp_path / "sets", "val")
    allowed = judged.TARGETS[judged[0].targets]
    assert allowed[0, 0].all()
    numbers = exports.ids(int(judged[0].image[0, 0, 0]) - 10)
    np.testing.assert_array_equal(allowed[numbers > 0].argmax(1), numbers[numbers > 0])
    assert run("convert", root, "--to", "voc", "-o", tmp_path / "x") == 2


def facts(names, prints):
    return [
        ImageFacts(f"/x/{name}.jpg", fingerprint=p) for name, p in zip(names, prints, strict=True)
    ]


def scattered(count):
    return [np.random.default_rng(k).bytes(32).hex() for k in range(count)]


def test_look_alikes_and_drives_stay_together():
    prints = scattered(40)
    twins = [f"{int(p[:2], 16) ^ 1:02x}{p[2:]}" for p in prints]
    names = [f"a{k:02}" for k in range(40)] + [f"b{k:02}" for k in range(40)]
    splits = divide.divide(facts(names, prints + twins), 0.1, 0.1, 0)
    assert all(splits[f"a{k:02}"] == splits[f"b{k:02}"] for k in range(40))
    counts = {split: list(splits.values()).count(split) for split in ("train", "choose", "val")}
    assert counts == {"train": 64, "choose": 8, "val": 8}
    names = [f"drive{k // 10}-{k:02}" for k in range(40)]
    splits = divide.divide(facts(names, prints), 0.1, 0.1, drive=6)
    assert len({(name[:6], split) for name, split in splits.items()}) == 4
    assert set(splits.values()) == {"train", "choose", "val"}


def test_folders_that_cannot_be_divided_are_refused():
    one = facts(["a", "b", "c"], scattered(1) * 3)
    with pytest.raises(BadDataset, match="form 1 groups"):
        divide.divide(one, 0.1, 0.1, 0)
    with pytest.raises(BadConfig, match="--val 0.9"):
        divide.divide(one, 0.9, 0.1, 0)


def varied(root, count=24):
    """LabelMe's export with pictures that differ."""
    exports.labelme(root, count)
    for index, stem in enumerate(exports.stems(count)):
        noise = np.random.default_rng(index).integers(0, 256, (9, 16, 3), np.uint8)
        picture = cv2.resize(noise, exports.SIZE[::-1], interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(root / f"{stem}.png"), picture)
    return root


def test_splits_csv_is_written_and_read(tmp_path, capsys):
    root = varied(tmp_path / "photos")
    assert run("split", root, "--val", "0.25", "--choose", "0.2") == 0
    assert "choose 5, train 13, val 6" in capsys.readouterr().out
    with (root / "splits.csv").open(newline="") as file:
        rows = {row["image"]: row["split"] for row in csv.DictReader(file)}
    for split in ("train", "choose", "val"):
        opened = {frame.image.stem for frame in labelme.open(root, split).frames}
        assert opened == {stem for stem, where in rows.items() if where == split}
    assert run("split", root) == 2
    assert "exists already" in capsys.readouterr().err
    assert run("split", root, "--overwrite") == 0
    (root / "splits.csv").write_text("image,split\nf00,train\n")
    with pytest.raises(BadDataset, match=r"lacks f01 \(23 of 24 images"):
        labelme.open(root, "train")
    (root / "splits.csv").write_text("a,b\nf00,train\n")
    with pytest.raises(BadDataset, match="splits.csv cannot be read"):
        labelme.open(root, "train")


def test_a_divided_folder_is_not_divided_again(tmp_path, capsys):
    root = exports.with_splits(exports.coco, tmp_path / "photos")
    assert run("split", root) == 2
    assert "is divided by its folders" in capsys.readouterr().err


def test_drivable_ground_is_one_outline_with_lines_on_top():
    labels = np.zeros((360, 640), np.uint8)
    labels[180:] = 1
    labels[180:, 300:310] = 2
    labels[250:300, 100:200] = 0
    labels[5, 5] = 2
    found = polygons_of(labels, tasks.load("lanes"))
    assert [polygon.name for polygon in found] == ["drivable", "background", "lane line"]
    assert all(4 <= len(polygon.ring) <= 6 for polygon in found)


def test_lines_around_a_field_leave_it_open():
    labels = np.ones((360, 640), np.uint8)
    cv2.rectangle(labels, (100, 100), (300, 250), 2, thickness=8)
    drawn = np.zeros(labels.shape, np.uint8)
    for polygon in polygons_of(labels, tasks.load("lanes")):
        Area("a", (polygon.ring,)).draw(drawn, 1 + (polygon.name == "lane line"))
    assert drawn[175, 200] == 1
    assert (drawn == labels).mean() > 0.98


@pytest.mark.parametrize(("tool", "module"), [("labelme", labelme), ("cvat", cvat)])
def test_first_labels_are_read_again(tmp_path, capsys, model_folder, tool, module):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(4):
        picture = np.full((90, 160, 3), 10, np.uint8)
        picture[40:] = 100 + k
        picture[40:, 60:100] = 250
        cv2.imwrite(str(folder / f"p{k}.png"), picture)
    given = ["label", folder, "--to", tool, "--model", model_folder, "--backend", "onnxruntime"]
    assert run(*given) == 0
    assert "4 images labelled in" in capsys.readouterr().out
    targets = module.open(folder, "train")[0].targets
    assert (targets[80, 30], targets[80, 80], targets[10, 80]) == (1, 2, 0)
    before = {path: path.read_text() for path in folder.glob("*[nl]") if path.suffix != ".png"}
    assert run(*given) == 2
    assert "exists already" in capsys.readouterr().err
    assert all(path.read_text() == text for path, text in before.items())
    assert run(*given, "--overwrite") == 0
    assert run("label", folder, "--to", "paper", "--model", model_folder) == 2
    if tool == "labelme":
        values = json.loads((folder / "p0.json").read_text())
        assert values["imagePath"] == Path("p0.png").name
        assert (values["imageHeight"], values["imageWidth"]) == (90, 160)
