"""Files beside the code: in a checkout first, else inside the installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanes import assets
from lanes.errors import BadOutput, UnknownName


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package `lanes` in an empty folder, as if this one were installed there."""
    package = tmp_path / "lanes"
    (package / "_weights").mkdir(parents=True)
    monkeypatch.setattr(assets, "__file__", str(package / "assets.py"))
    return tmp_path


def test_wheel(installed):
    assert assets.folder("weights") == installed / "lanes" / "_weights"
    assert assets.model_names() == []


@pytest.mark.parametrize("name", ["weights", "apps", "configs"])
def test_every_folder_is_in_this_checkout(name):
    assert assets.folder(name) == Path(__file__).parents[1] / name
    assert assets.folder(name).is_dir()


def test_somebody_elses_weights_beside_the_wheel(installed):
    (installed / "weights").mkdir()
    assert assets.folder("weights") == installed / "lanes" / "_weights"


def test_checkout(installed):
    (installed / "weights" / "b").mkdir(parents=True)
    (installed / "weights" / "a").mkdir()
    (installed / "weights" / "a" / "card.json").write_text("{}")
    (installed / "pyproject.toml").write_text("")
    assert assets.folder("weights") == installed / "weights"
    assert assets.model_names() == ["a"]


@pytest.mark.parametrize("name", assets.model_names())
def test_the_models_that_come_along_are_small(name):
    files = list(assets.model_folder(name).iterdir())
    assert {path.name for path in files} <= {"card.json", "model.onnx", "model.int8.onnx"}
    assert sum(path.stat().st_size for path in files) <= 16_000_000


def test_a_configuration_is_named_or_a_file(tmp_path):
    assert assets.config_file("lanes_tiny") == assets.folder("configs") / "lanes_tiny.toml"
    own = tmp_path / "own.toml"
    own.write_text("")
    assert assets.config_file(str(own)) == own
    for wrong in ("lanes_tny", str(tmp_path), str(tmp_path / "none.toml")):
        with pytest.raises(UnknownName, match="cells_count, .*lanes_tiny.*path of a TOML file"):
            assets.config_file(wrong)


def test_cache_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = assets.cache_folder("demo")
    assert folder.is_dir()
    assert assets.cache_folder("demo") == folder


def test_cache_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadOutput, match="set XDG_CACHE_HOME"):
        assets.cache_folder("demo")
