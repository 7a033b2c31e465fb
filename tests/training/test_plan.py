"""`lanes train --data ROOT` alone: the plan, its TOML, the first weights and the files."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

import exports
from lanes import plugins, tasks
from lanes.cli.main import run
from lanes.errors import BadDataset
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training import own_classes, plan, speed
from lanes.training.speed import Cost


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def quick(monkeypatch):
    """A machine of known speed: a tenth of a second and 100 MiB per image."""
    monkeypatch.setattr(speed, "measure", lambda config, dataset: Cost(0.1, 0.0, 100 * 2**20))
    monkeypatch.setattr(speed, "free_memory", lambda: 2**40)


def test_data_alone_are_enough(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exports.labelme(tmp_path / "photos")
    assert run("train", ["--data", "photos", "--steps", "12"]) == 0
    shown = capsys.readouterr().out
    assert "photos: labelme" not in shown, "notes go to stderr"
    assert "images to learn from" in shown
    assert "first weights: lanes-synthetic (none: drawn by lanes itself)" in shown
    assert "lanes export runs/photos/best.pt models/photos" in shown
    names = {p.name for p in (tmp_path / "runs" / "photos").iterdir()}
    assert {"plan.toml", "best.pt", "last.pt", "curves.png", "samples.png"} <= names
    best = checkpoints.load(tmp_path / "runs" / "photos" / "best.pt")
    again = configs.read(tmp_path / "runs" / "photos" / "plan.toml")
    assert again == best.config
    assert best.config.size == (32, 64)
    assert best.run["before"][0]["name"] == "synthetic"
    assert run("train", ["--data", "photos", "--steps", "12"]) == 2
    assert "continue it with --resume" in capsys.readouterr().err


def test_a_dry_run_shows_a_batch_and_trains_nothing(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    exports.labelme(tmp_path / "photos")
    assert run("train", ["--data", "photos", "--dry-run"]) == 0
    names = {p.name for p in (tmp_path / "runs" / "photos").iterdir()}
    assert names == {"plan.toml", "batch.png"}
    assert cv2.imread("runs/photos/batch.png").shape[0] > 100


def test_names_that_no_task_knows_become_classes(tmp_path, quick):
    root = exports.coco(tmp_path / "photos")
    file = root / "annotations.json"
    text = file.read_text().replace('"drivable"', '"Straße"').replace('"lane line"', '"線"')
    file.write_text(text, encoding="utf-8")
    made = plan.make({"coco": str(root)})
    assert tasks.load(made.config.task).class_names == ("background", "Straße", "線")
    assert any("classes.toml is written" in line for line in made.lines)
    with pytest.raises(BadDataset, match="labels.toml, but"):
        own_classes.write(root, ["other"])


def test_names_of_lines_stay_lines(tmp_path):
    path = own_classes.write(tmp_path, ["lane line", "rail", "ignore", "background"])
    task = plugins.task(plugins.own_classes(path))
    assert task.class_names == ("background", "lane line", "rail")
    assert [c.line for c in task.classes] == [False, True, False]


@pytest.mark.parametrize("count", [3, 40])
def test_a_few_images_freeze_the_encoder(tmp_path, quick, count):
    root = exports.image_folder(tmp_path / "photos", count)
    made = plan.make({"image_folder": str(root)})
    assert made.config.freeze > 0
    assert made.config.encoder_rate < 1
    held = next(line for line in made.lines if line.startswith("image_folder:"))
    assert "held out for lanes evaluate (f" in held


def test_a_slower_machine_gets_a_smaller_input_and_fewer_steps(tmp_path, monkeypatch):
    big = [np.zeros((720, 1280, 3), np.uint8)] * 3
    for index, image in enumerate(big):
        for folder, values in (("images", image), ("labels", image[..., 0])):
            path = tmp_path / "photos" / folder / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), values)
    monkeypatch.setattr(speed, "free_memory", lambda: 300 * 2**20)
    found = []
    for seconds in (0.1, 0.4, 3.0):
        cost = Cost(seconds, 0.0, 100 * 2**20)
        monkeypatch.setattr(speed, "measure", lambda config, dataset, cost=cost: cost)
        made = plan.make({"image_folder": str(tmp_path / "photos")})
        found.append((made.config.size, made.budget.steps))
        assert made.config.accumulate > 1
    assert found[0][0] == (352, 640)
    assert found[0] > found[1] > found[2]


def test_steps_follow_from_minutes_but_stop_before_learning_by_heart():
    assert plan._steps(600, 0.25, 8, 32) == 240
    assert plan._steps(600, 0.001, 8, 32) == plan.MOST_PASSES * 32 // 8
    assert plan._steps(600, 0.001, 4, 1) == plan.LEAST_STEPS


def test_the_measured_cost_grows_with_the_size(tmp_path):
    root = exports.image_folder(tmp_path / "photos")
    made = plan._first(plan.FIRST_WEIGHTS)[0]
    dataset = plugins.load("datasets", "image_folder").open(str(root), "train")
    small, large = (
        speed.measure(replace(made, size=size, crop_ratio=(1.5, 2)), dataset)
        for size in ((32, 64), (96, 192))
    )
    assert large.memory == pytest.approx(9 * small.memory, rel=0.2)
    assert large.seconds > small.seconds > 0


def test_a_bad_mask_is_found_before_the_first_step(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    root = exports.image_folder(tmp_path / "photos")
    dataset = plugins.load("datasets", "image_folder").open(str(root), "train")
    broken = dataset.pairs[-1][1]
    cv2.imwrite(str(broken), np.full(exports.SIZE, 77, np.uint8))
    assert run("train", ["--data", "photos", "--steps", "2"]) == 2
    assert f"{broken.name} holds the label 77" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "photos" / "last.pt").exists()


def test_nothing_to_learn_is_refused(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    root = exports.image_folder(tmp_path / "photos")
    for file in (root / "labels").iterdir():
        cv2.imwrite(str(file), np.zeros(exports.SIZE, np.uint8))
    assert run("train", ["--data", "photos", "--steps", "2"]) == 2
    assert "there is nothing to learn" in capsys.readouterr().err
