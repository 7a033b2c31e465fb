"""A teacher's maps: written once, found by picture, and enough to learn from alone."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from lightning_fabric import Fabric

from lanes.cli.main import run
from lanes.errors import BadDataset, BadOutput
from lanes.training import checkpoint as checkpoints
from lanes.training import distil, mix
from lanes.training.budget import Budget
from lanes.training.labelling import labeller
from lanes.training.loop import Run, train

ROOT = Path(__file__).parents[2]


@pytest.fixture
def teacher(make_config, data, tmp_path):
    return train(make_config(), data, Budget(steps=20), tmp_path / "teacher")


@pytest.fixture
def opened(data):
    return mix.open_all(data, "train", "lanes")


def test_a_student_learns_from_soft_maps_alone(make_config, teacher, opened, root, tmp_path):
    distil.write(teacher, opened, tmp_path / "maps")
    unknown = tmp_path / "unknown"
    shutil.copytree(root, unknown)
    (unknown / "labels.toml").write_text('[ids]\n0 = "background"\n255 = "unknown"\n')
    for path in (unknown / "train" / "labels").iterdir():
        cv2.imwrite(str(path), np.full_like(cv2.imread(str(path), 0), 255))
    config = make_config(distilled=str(tmp_path / "maps"), warmup_steps=1)
    fabric = Fabric(precision="32-true", devices=1, accelerator="cpu")
    run = Run(config, {"image_folder": str(unknown)}, Budget(steps=30), tmp_path / "run", fabric)
    for parts, _ in zip(run.batches(), range(30), strict=False):
        assert parts[0]["soft"].shape == (2, 4, 64, 96)
        run.train_step(*parts)
    learned = labeller(run.average.network, config)
    taught_by = labeller(checkpoints.network_of(teacher), config)
    images = [dataset[i].image for dataset in opened.values() for i in range(len(dataset))]
    assert np.mean([learned(image) == taught_by(image) for image in images]) > 0.85


def test_maps_are_written_once_and_sum_to_one(teacher, opened, tmp_path):
    folder = tmp_path / "maps"
    count = len(opened["image_folder"])
    assert distil.write(teacher, opened, folder, mirror=True) == count
    files = sorted((folder / "image_folder").glob("*.png"))
    assert len(files) == count
    assert not list(folder.rglob(".*"))
    assert cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED).shape == (4 * 32, 48)
    files[0].unlink()
    assert distil.write(teacher, opened, folder, mirror=True) == 1
    assert distil.write(teacher, opened, folder, mirror=True) == 0
    (taught,) = distil.taught(opened, folder).values()
    assert len(taught) == count
    soft = taught[0].soft
    assert soft.shape == (4, *taught[0].targets.shape)
    assert np.abs(soft.astype(int).sum(0) - 255).max() <= 4
    with pytest.raises(BadOutput, match="another teacher"):
        distil.write(teacher, opened, folder, mirror=False)


def test_maps_that_do_not_match_are_reported(teacher, opened, tmp_path):
    folder = tmp_path / "maps"
    with pytest.raises(BadDataset, match="no teacher's maps of image_folder"):
        distil.taught(opened, folder)
    distil.write(teacher, opened, folder)
    (taught,) = distil.taught(opened, folder).values()
    path = folder / "image_folder" / f"{distil.name_of(taught[3].image)}.png"
    path.write_bytes(b"no picture")
    with pytest.raises(BadDataset, match="is damaged"):
        taught[3]
    path.unlink()
    with pytest.raises(BadDataset, match="no map of sample 3"):
        taught[3]
    record = folder / "image_folder" / "teacher.json"
    record.write_text(record.read_text().replace("drivable", "meadow"))
    with pytest.raises(BadDataset, match="meadow"):
        distil.taught(opened, folder)
    record.write_text("{}")
    with pytest.raises(BadDataset, match="damaged"):
        distil.taught(opened, folder)


def test_the_script_writes_outside_of_the_repository(teacher, data, tmp_path, capsys):
    main = partial(run, "distill")
    given = [
        str(tmp_path / "teacher" / "best.pt"),
        "--data",
        f"image_folder={data['image_folder']}",
    ]
    assert main([*given, "--folder", str(tmp_path / "maps")]) == 0
    assert "new maps in" in capsys.readouterr().out
    assert main([*given, "--folder", str(ROOT / "maps")]) == 2
    assert "is inside the project" in capsys.readouterr().err
    assert (
        main([*given, "--data", "no_root", "--data", "no_root", "--folder", str(tmp_path / "maps")])
        == 2
    )
