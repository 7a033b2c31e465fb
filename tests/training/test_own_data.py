"""A folder in a labelling tool's format, trained by the command as it is."""

from __future__ import annotations

import cv2

import exports
from lanes import tasks
from lanes.cli.main import run
from lanes.training import checkpoint

CONFIG = """
task = "lanes"
model = "naive"
size = [36, 64]
batch = 4
learning_rate = 0.02
warmup_steps = 5
validate_every = 20
workers = 0
crop_area = [1.0, 1.0]
crop_ratio = [1.7, 1.8]
brightness = 0.0
contrast = 0.0
saturation = 0.0
blur = 0.0

[weights]
bdd100k = 1.0
"""


def test_labelme_is_detected_and_learned(tmp_path, capsys):
    root = exports.labelme(tmp_path / "photos")
    (tmp_path / "config.toml").write_text(CONFIG)
    where = ["--folder", str(tmp_path / "run"), "--config", str(tmp_path / "config.toml")]
    assert run("train", ["--data", str(root), "--steps", "60", *where]) == 0
    assert f"{root}: labelme, LabelMe JSON" in capsys.readouterr().err
    best = checkpoint.load(tmp_path / "run" / "best.pt")
    assert best.data == {"labelme": str(root)}
    assert best.metrics["labelme drivable iou"] > 0.8


def test_masks_that_would_train_on_nothing_are_refused(tmp_path, capsys):
    root = exports.image_folder(tmp_path / "photos")
    for file in (root / "labels").iterdir():
        cv2.imwrite(str(file), (cv2.imread(str(file), -1) > 0) * 255)
    (tmp_path / "config.toml").write_text(CONFIG)
    where = ["--folder", str(tmp_path / "run"), "--config", str(tmp_path / "config.toml")]
    assert run("train", ["--data", str(root), "--steps", "2", *where]) == 2
    assert '255 = "drivable"' in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_classes_of_ones_own_are_learned_and_understood_later(tmp_path, capsys):
    root = exports.coco(tmp_path / "photos")
    file = root / "annotations.json"
    text = file.read_text().replace('"drivable"', '"Fahrbahn"').replace('"lane line"', '"線"')
    file.write_text(text, encoding="utf-8")
    classes = '"Grund" = "#000000"\n"Fahrbahn" = "#5abe3c"\n"線" = "#ff3c28 line"\n'
    (root / "classes.toml").write_text(classes, encoding="utf-8")
    (tmp_path / "config.toml").write_text(CONFIG)
    where = ["--folder", str(tmp_path / "run"), "--config", str(tmp_path / "config.toml")]
    assert run("train", ["--data", str(root), "--steps", "60", *where]) == 2
    told = capsys.readouterr().err
    assert f"""--set task='"{root}/classes.toml"'""" in told
    chosen = ["--set", f'task="{root}/classes.toml"']
    assert run("train", ["--data", str(root), "--steps", "60", *where, *chosen]) == 0
    (root / "classes.toml").unlink()
    best = checkpoint.load(tmp_path / "run" / "best.pt")
    assert tasks.load(best.config.task).class_names == ("Grund", "Fahrbahn", "線")
    assert best.metrics["coco Fahrbahn iou"] > 0.8
    assert "coco 線 f4" in best.metrics
