"""docs/data.md: the commands of its first block, word for word, on drawn photos of every tool."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

import exports
from clips import make_clip
from lanes.cli.main import run

pytest.importorskip("torch")

PAGE = Path(__file__).parents[1] / "docs" / "data.md"


def commands():
    """The commands of the marked block, without their first word."""
    block = re.search(r"<!-- command: own data -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(line)[1:] for line in block[1].splitlines()]


def photo(index):
    """A picture that differs from all others and shows the classes in its green channel."""
    scene = np.random.default_rng(index).integers(0, 256, (6, 8, 3), np.uint8)
    picture = cv2.resize(scene, exports.SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    picture[..., 1] = 80 * exports.ids(index)
    return picture


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(exports, "image", photo)


@pytest.mark.parametrize("name", ["labelme", "cvat", "coco", "yolo", "label_studio", "supervisely"])
def test_the_check_of_every_tools_folder(name):
    write, _ = exports.EXPORTS[name]
    write(Path("photos"))
    check = commands()[0]
    assert check[:2] == ["data", "check"]
    assert run("data", check[1:]) == 0
    assert Path("photos.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_photos_to_a_running_video():
    exports.labelme(Path("photos"))
    make_clip("drive.mp4", 5)
    for command, *arguments in commands():
        assert run(command, arguments) == 0, command
    assert Path("drive_lanes.mp4").is_file()
