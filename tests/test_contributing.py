"""Runs the examples of README.md and CONTRIBUTING.md."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from clips import make_clip
from lanes import backends, plugins, tasks
from model_folders import grey, labels_of

ROOT = Path(__file__).parents[1]


def blocks(file, language):
    """The code blocks of a page as (mark, text); the mark is the comment before the block."""
    text = (ROOT / file).read_text()
    found = re.findall(rf"(?:<!-- ([\w: ]+) -->\n)?```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Add CONTRIBUTING's example to a folder of plug-ins."""

    def write(folder):
        (text,) = [t for mark, t in blocks("CONTRIBUTING.md", "python") if mark.endswith(folder)]
        (tmp_path / "example.py").write_text(text)
        package = importlib.import_module(f"lanes.{folder}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        importlib.invalidate_caches()
        assert "example" in plugins.names(folder)
        return plugins.load(folder, "example")

    yield write
    for folder in ("tasks", "datasets", "models", "backends"):
        sys.modules.pop(f"lanes.{folder}.example", None)


def test_task(example):
    example("tasks")
    task = tasks.load("example")
    assert task.name == "example"
    assert task.measure(np.eye(2, dtype=np.uint8)) == {"snow share": 0.5}


def test_data_set(example):
    module = example("datasets")
    dataset = module.open("", "train")
    assert dataset.TARGETS.shape == (2, len(tasks.load(dataset.TASK).classes))
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.image.shape[:2] == sample.targets.shape
        assert sample.targets.max() < len(dataset.TARGETS)


def test_model(example):
    torch = pytest.importorskip("torch")
    model = example("models").build(3)
    assert model(torch.zeros(2, 3, 5, 7)).shape == (2, 3, 5, 7)


def test_backend(example, model_folder):
    example("backends")
    backend = backends.load("example", model_folder)
    images = grey([10, 100, 200])[None]
    np.testing.assert_array_equal(backend(images), labels_of(images))
    assert (backend.name, backend.precision) == ("example", "fp32")
    backend.close()


def test_readme(trained_folder, tmp_path, monkeypatch, capsys):
    image, live = (text for _, text in blocks("README.md", "python"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lanes.assets.model_folder", lambda name: trained_folder)
    picture = grey([20, 120, 220], (120, 160))
    cv2.imwrite("road.jpg", picture)
    for folder, array in (("images", picture), ("labels", labels_of(picture))):
        Path("my_data/val", folder).mkdir(parents=True)
        cv2.imwrite(f"my_data/val/{folder}/a.png", array)
    make_clip("drive.mp4", 5)
    exec(compile(image, "README.md", "exec"), {})
    assert Path("drive_lanes.mp4").is_file()
    assert "0.16 {'drivable share'" in capsys.readouterr().out
    exec(compile(live, "README.md", "exec"), {})
    assert " FPS  {" in capsys.readouterr().out


def test_readmes_commands_are_marked_for_ci():
    marked = {mark: text for mark, text in blocks("README.md", "sh") if mark}
    assert "lanes-video demo" in marked["command: demo"]
    assert "pytest" in marked["command: tests"]
